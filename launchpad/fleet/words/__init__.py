"""Types of texts that people write, each parsed once and then safe: names, amounts, references, secrets; and
mistakes."""
