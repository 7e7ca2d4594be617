"""placeholder"""


def measure(figures, folder):
    return None
