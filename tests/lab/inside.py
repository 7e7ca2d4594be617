"""What a customer's program could try: run inside a container, or outside as the control. Standard library only.

`python3 - QUESTION ARGUMENTS` with this file on standard input; QUESTION is a function here, ARGUMENTS a JSON list, and
the answer is one line of JSON. A system call is tried with arguments that do no harm where it is allowed: what counts
is whether the kernel says EPERM before it looks at them.
"""

# The kernel's own calls are what is tried here.
# ruff: noqa: PTH101, PTH108, PTH110, PTH112, PTH116, PTH118, PTH119, PTH123, PTH208

import ctypes
import errno
import json
import os
import resource
import selectors
import socket
import stat
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
NOWHERE = ctypes.c_void_p(0)
NEW_USER, NEW_MOUNT, NEW_NET, NEW_PID = 0x10000000, 0x00020000, 0x40000000, 0x20000000
X86_64 = {
    "mount": (165, NOWHERE, NOWHERE, NOWHERE, 0, NOWHERE),
    "umount": (166, NOWHERE, 0),
    "pivot_root": (155, NOWHERE, NOWHERE),
    "swapon": (167, NOWHERE, 0),
    "reboot": (169, 0, 0, 0, NOWHERE),
    "sethostname": (170, NOWHERE, 1),
    "clock_settime": (227, 0, NOWHERE),
    "init_module": (175, NOWHERE, 0, NOWHERE),
    "bpf": (321, 9999, NOWHERE, 0),
    "perf_event_open": (298, NOWHERE, 0, -1, -1, 0),
    "add_key": (248, NOWHERE, NOWHERE, NOWHERE, 0, 0),
    "keyctl": (250, 9999, 0, 0, 0, 0),
    "syslog": (103, 10, NOWHERE, 0),
    "open_by_handle_at": (304, -1, NOWHERE, 0),
    "setns": (308, -1, 0),
    "unshare-mount": (272, NEW_MOUNT),
    "unshare-net": (272, NEW_NET),
    "unshare-pid": (272, NEW_PID),
    "unshare-user": (272, NEW_USER),
    "chroot": (161, ctypes.c_char_p(b"/")),
    "setuid-0": (105, 0),
    "make-a-subvolume": (16, -1, 0x5000940E, NOWHERE),
    "make-a-subvolume-2": (16, -1, 0x50009418, NOWHERE),
    "make-a-snapshot": (16, -1, 0x50009417, NOWHERE),
    "mknod": (133, ctypes.c_char_p(b"/tmp/inside-device"), stat.S_IFBLK | 0o600, os.makedev(7, 0)),
}


def name_of(number):
    return errno.errorcode.get(number, str(number)) if number else "allowed"


def in_child(act):
    """What `act` returns, in a process of its own, so that whatever it changes ends with it."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            answer = act()
        except OSError as error:
            answer = name_of(error.errno)
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return json.loads(said) if said else "died"


def calls():
    """System call → `allowed`, or what the kernel says to it."""

    def one(words):
        ctypes.set_errno(0)
        return "allowed" if LIBC.syscall(*words) >= 0 else name_of(ctypes.get_errno())

    found = {name: in_child(lambda words=words: one(words)) for name, words in X86_64.items()}
    if os.path.exists("/tmp/inside-device"):
        os.unlink("/tmp/inside-device")

    def opened(*kind):
        socket.socket(*kind).close()
        return "allowed"

    found["raw-socket"] = in_child(lambda: opened(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
    found["packet-socket"] = in_child(lambda: opened(socket.AF_PACKET, socket.SOCK_RAW))
    return found


def status(pid):
    """The lines of /proc/PID/status by name."""
    with open(f"/proc/{pid}/status") as file:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}


def mounts():
    """[root, mount point, options, file system, source] of everything mounted here."""
    found = []
    with open("/proc/self/mountinfo") as file:
        for line in file:
            left, _, right = line.strip().partition(" - ")
            words, kind = left.split(), right.split()
            found.append([words[3], words[4], f"{words[5]},{kind[2]}", kind[0], kind[1]])
    return found


def walk():
    """Every device and socket that has a name here, outside /proc and /sys."""
    devices, sockets = [], []
    for folder, folders, files in os.walk("/"):
        if folder == "/":
            folders[:] = [name for name in folders if name not in ("proc", "sys")]
        for name in files:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                devices.append(path)
            if stat.S_ISSOCK(mode):
                sockets.append(path)
    return {"devices": sorted(devices), "sockets": sockets}


def writes(paths):
    """Path → `allowed`, or why no file can be made there (an existing one: opened for writing). Nothing is written."""
    found = {}
    for path in paths:
        try:
            if os.path.isdir(path):
                place = os.path.join(path, "inside-was-here")
                os.close(os.open(place, os.O_WRONLY | os.O_CREAT, 0o600))
                os.unlink(place)
            else:
                os.close(os.open(path, os.O_WRONLY))
            found[path] = "allowed"
        except OSError as error:
            found[path] = name_of(error.errno)
    return found


def reads(paths):
    """Path → `allowed`, or why it cannot be read (a folder: listed)."""
    found = {}
    for path in paths:
        try:
            if os.path.isdir(path):
                os.listdir(path)
            else:
                with open(path, "rb") as file:
                    file.read(1)
            found[path] = "allowed"
        except OSError as error:
            found[path] = name_of(error.errno)
    return found


def runs_from(folder):
    """Whether a program that was put in this folder runs."""
    place = os.path.join(folder, "inside-program")
    with open("/usr/bin/true", "rb") as program, open(place, "wb") as copy:
        copy.write(program.read())
    os.chmod(place, 0o700)

    def run():
        os.execv(place, [os.path.basename("/usr/bin/true")])

    try:
        said = in_child(run)
        return "allowed" if said == "died" else said  # a program that took over leaves no answer of ours
    finally:
        os.unlink(place)


def processes():
    """[pid, uid] of every process that can be seen."""
    return [[int(name), os.stat(f"/proc/{name}").st_uid] for name in os.listdir("/proc") if name.isdigit()]


def dial(targets, seconds=2.0, mark=0):
    """ "ADDRESS PORT" → `reached`, `refused`, `silent`, or why there is no way; all at once, 250 at a time. `mark` is
    for root on the host: so marked, connections pass the gate before tenants' addresses."""
    found = {}
    for start in range(0, len(targets), 250):
        found.update(dial_some(targets[start : start + 250], seconds, mark))
    return found


def dial_some(targets, seconds, mark):
    waiting, found = selectors.DefaultSelector(), {}
    for address, port in targets:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            stream = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            if mark:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
            code = stream.connect_ex(socket.getaddrinfo(address, port, family)[0][4])
        except OSError as error:
            found[f"{address} {port}"] = name_of(error.errno)
            continue
        if code not in (0, errno.EINPROGRESS):
            found[f"{address} {port}"] = name_of(code)
            stream.close()
            continue
        waiting.register(stream, selectors.EVENT_WRITE, f"{address} {port}")
    end = time.monotonic() + seconds
    while waiting.get_map() and (left := end - time.monotonic()) > 0:
        for key, _ in waiting.select(left):
            code = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            word = {0: "reached", errno.ECONNREFUSED: "refused"}.get(code, name_of(code))
            found[key.data] = word
            waiting.unregister(key.fileobj)
            key.fileobj.close()
    for key in list(waiting.get_map().values()):
        found[key.data] = "silent"
        key.fileobj.close()
    return found


def ask_dns(server, name, seconds=2.0):
    """Whether a name server answers over UDP: `reached`, `silent`, or why there is no way."""
    question = b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0"
    question += b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0\0\x01\0\x01"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        stream.settimeout(seconds)
        try:
            stream.connect((server, 53))
            stream.send(question)
            return "reached" if stream.recv(512) else "silent"
        except TimeoutError:
            return "silent"
        except OSError as error:
            return name_of(error.errno)


def resolves(name):
    """The address of a name by this place's own resolver, or nothing."""
    try:
        return socket.gethostbyname(name)
    except OSError:
        return ""


def interfaces():
    """The names of interfaces, and those of them that have an IPv6 address."""
    try:
        with open("/proc/net/if_inet6") as file:
            six = sorted({line.split()[-1] for line in file})
    except OSError:
        six = []
    return {"all": sorted(name for _, name in socket.if_nameindex()), "six": six}


def fill(path, most_mb):
    """Write a file until nothing more goes in, then remove it: how many MB went in, and why no more."""
    block, written, why = os.urandom(1 << 20), 0, "allowed"
    try:
        with open(path, "wb", buffering=0) as file:
            while written < most_mb:
                file.write(block)
                os.fsync(file.fileno())
                written += 1
                if written % 64 == 0:
                    print(written, file=sys.stderr, flush=True)
    except OSError as error:
        why = name_of(error.errno)
    return {"mb": written, "why": why}


def remove(path):
    os.unlink(path)


def hog(most_mb):
    """Take memory, and use it, until somebody minds."""
    kept = []
    for _ in range(most_mb):
        kept.append(b"x" * (1 << 20))
    return len(kept)


def fork_bomb(most, stop):
    """Start processes until the kernel starts no more, hold them until there is a file `stop`: how many there were."""
    children, why = [], "allowed"
    try:
        while len(children) < most:
            child = os.fork()
            if not child:
                time.sleep(600)
                os._exit(0)
            children.append(child)
    except OSError as error:
        why = name_of(error.errno)
    print(len(children), file=sys.stderr, flush=True)
    end = time.monotonic() + 60
    while not os.path.exists(stop) and time.monotonic() < end:
        time.sleep(0.05)
    for child in children:
        os.kill(child, 9)
        os.waitpid(child, 0)
    return {"started": len(children), "why": why}


def spin(many, seconds):
    """Use the CPU with so many processes at once: how many CPU seconds a second they got."""
    begun = time.monotonic()
    for _ in range(many):
        if not os.fork():
            while time.monotonic() < begun + seconds:
                pass
            os._exit(0)
    for _ in range(many):
        os.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) / (time.monotonic() - begun)


def flood(most_mb):
    """Write to the log of the container's own program: how many MB went in."""
    line = b"x" * 199 + b"\n"
    with open("/proc/1/fd/1", "wb", buffering=0) as log:
        for _ in range(most_mb):
            for _ in range(5243):
                log.write(line)
    return most_mb


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*json.loads(sys.argv[2]))), flush=True)
