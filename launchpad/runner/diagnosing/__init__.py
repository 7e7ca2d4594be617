"""What a host tells about itself when something is wrong: collect, redact, analyse, check.

`collectors` reads the host; `redactor` takes secrets and names out; `analysis` names the cause; `leaks` judges the
finished bytes without knowing how the redactor works; `bundle` puts all of it together and refuses a bundle that leaks.
"""
