"""`true` on many hosts at once with bare paramiko and nothing else: python bare.py KEY USER PORT..."""

import sys
from concurrent.futures import ThreadPoolExecutor

import paramiko

THREADS = 32


def true(port: int) -> int:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    key = paramiko.Ed25519Key.from_private_key_file(sys.argv[1])
    client.connect("127.0.0.1", port, sys.argv[2], pkey=key, allow_agent=False, look_for_keys=False)
    _stdin, stdout, _stderr = client.exec_command("true")
    stdout.read()
    code = stdout.channel.recv_exit_status()
    client.close()
    return code


with ThreadPoolExecutor(THREADS) as pool:
    codes = list(pool.map(true, map(int, sys.argv[3:])))
sys.exit(any(codes))
