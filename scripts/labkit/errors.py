"""The only error class of the lab."""


class LabError(Exception):
    """An error of the lab; `message` is the cause and `hint` the next command to type."""

    def __init__(self, message: str, *, hint: str = "", exit_code: int = 6) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message
