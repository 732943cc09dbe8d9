# The parent of one server's sandboxes: imports once what the server imports, and forks a child for each order. It runs in
# an outer sandbox as the same unprivileged user, without a capability. A child takes namespaces, mounts and a filter of
# its own before it runs anything; what it could do wrong ends it, never in a weaker sandbox.
import ast
import base64
import ctypes
import fcntl
import gc
import importlib
import json
import os
import signal
import socket
import struct
import sys
import types
from importlib.machinery import SourceFileLoader

DOOR = "/tmp/door"
NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
INERT = NOSUID | NODEV | NOEXEC
SET_DUMPABLE, SET_SECCOMP, CAPBSET_DROP, SET_NO_NEW_PRIVS = 4, 22, 24, 38
FILTER = 2
CAPABILITY_VERSION_3 = 0x20080522
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41
CLONE = {"x86_64": 56, "aarch64": 220}

libc = ctypes.CDLL(None, use_errno=True)


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def must(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def prctl(option, value):
    return libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))


def mount(source, target, kind=None, flags=0, data=None):
    words = [None if word is None else word.encode() for word in (source, target, kind, data)]
    must(libc.mount(*words[:3], ctypes.c_ulong(flags), words[3]), f"mount {target}")


def write(path, text):
    descriptor = os.open(path, os.O_WRONLY)
    os.write(descriptor, text)
    os.close(descriptor)


class Lines:
    """Of a bare descriptor, since a child must have neither that nor what was read from it."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.seen = b""

    def next(self):
        while b"\n" not in self.seen:
            more = os.read(self.descriptor, 65536)
            if not more:
                os._exit(0)
            self.seen += more
        line, self.seen = self.seen.split(b"\n", 1)
        return json.loads(line)


def imported_names(tree):
    """What the file's own statements import, those of its functions not: they run with a call."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module != "__future__":
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def prepare(file):
    """The server's code, with what it imports loaded. What cannot be imported is left to fail where the server wants it."""
    path = os.path.abspath(file)
    sys.path[0] = os.path.dirname(os.path.realpath(path))
    with open(path, "rb") as source:
        text = source.read()
    for name in imported_names(ast.parse(text, path)):
        try:
            importlib.import_module(name)
        except Exception as error:
            print(f"not imported in advance: {name} ({error})", file=sys.stderr)
    refuse_what_would_be_shared()
    return compile(text, path, "exec", dont_inherit=True)


def refuse_what_would_be_shared():
    with open("/proc/self/maps") as maps:
        shared = [line for line in maps if line.split()[1][1::2] == "ws"]
    if shared:
        raise RuntimeError("its imports made memory that all its sandboxes would share")
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("its imports started threads, which a forked process does not have")


def knock(word):
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.connect(DOOR)
    door.sendall(f"{word}\n".encode())
    return door


def fork_into_namespaces():
    """The first process of a namespace of processes and of users; by the call itself, one fork is enough for that."""
    child = libc.syscall(CLONE[os.uname().machine], ctypes.c_ulong(NEWUSER | NEWPID | signal.SIGCHLD), *[None] * 4)
    must(child, "clone")
    return child


def enter_namespaces():
    must(libc.unshare(NEWNS | NEWNET | NEWIPC | NEWUTS | NEWCGROUP), "unshare")
    write("/proc/self/setgroups", b"deny")
    write("/proc/self/uid_map", b"65534 65534 1")
    write("/proc/self/gid_map", b"65534 65534 1")


def mount_own(scratch, masked):
    """Over the parent's /tmp, with the door in it, and over its /proc; neither can be taken away again."""
    mount(None, "/", None, REC | PRIVATE)
    mount("proc", "/proc", "proc", INERT)
    # A second line of defence behind the filter: no namespace below this one.
    write("/proc/sys/user/max_user_namespaces", b"0")
    mount("/proc/sys", "/proc/sys", None, BIND | REC)
    mount(None, "/proc/sys", None, REMOUNT | BIND | RDONLY | INERT)
    mount("tmpfs", "/proc/1", "tmpfs", RDONLY | INERT)
    for path in masked:
        mount("/dev/null", path, None, BIND)
    mount("tmpfs", "/tmp", "tmpfs", NOSUID | NODEV, f"size={scratch},mode=755,uid=65534,gid=65534")


def raise_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP_RUNNING))


def give_up_rights(instructions):
    for capability in range(64):
        if prctl(CAPBSET_DROP, capability) < 0:
            break
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    must(libc.capset(header, bytes(24)), "capset")
    must(prctl(SET_DUMPABLE, 0), "dumpable")
    must(prctl(SET_NO_NEW_PRIVS, 1), "no_new_privs")
    program = Program(len(instructions) // 8, instructions)
    must(libc.prctl(SET_SECCOMP, ctypes.c_ulong(FILTER), ctypes.byref(program), 0, 0), "seccomp")


def become_server(control, streams):
    must(prctl(SET_DUMPABLE, 1), "dumpable")
    os.setsid()
    control.detach()
    for number, stream in enumerate(streams):
        os.dup2(stream.detach(), number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    ssl = sys.modules.get("_ssl")
    if ssl is not None:
        ssl.RAND_add(os.urandom(64), 64.0)


def first_process(server, control):
    """Reaps whatever is orphaned, and ends with the server: then the kernel ends all else in the namespace."""
    os.closerange(0, control.fileno())
    os.closerange(control.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
    while True:
        pid, status = os.wait()
        if pid == server:
            break
    word = "signal %d" % os.WTERMSIG(status) if os.WIFSIGNALED(status) else "exit %d" % os.WEXITSTATUS(status)
    control.sendall(f"{word}\n".encode())
    os._exit(0)


def give_birth(order, settings, instructions):
    """Returns in the process that is to become the server, and in no other."""
    # /proc is still the parent's, and so is the number in it.
    control = knock(f"{order['id']} control {os.readlink('/proc/self')}")
    try:
        streams = [knock(f"{order['id']} {number}") for number in range(3)]
        # By the answer this process, and so all that comes from it, is in a control group of its own.
        if control.recv(3) != b"go\n":
            os._exit(1)
        enter_namespaces()
        mount_own(order["scratch"], settings["masked"])
        raise_loopback()
        give_up_rights(instructions)
        server = os.fork()
        if server == 0:
            become_server(control, streams)
            return
        control.sendall(b"ready\n")
    except BaseException as error:
        control.sendall(f"error {error}\n".encode())
        os._exit(1)
    first_process(server, control)


def serve(orders, settings):
    instructions = base64.b64decode(settings["filter"])
    # Nobody waits for them: one that is not reaped would count in its sandbox's control group.
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        order = orders.next()
        if fork_into_namespaces() == 0:
            orders.seen = b""
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            give_birth(order, settings, instructions)
            signal.signal(signal.SIGCHLD, before)
            return order["command"]


def main():
    # Libraries tell a fork by their process's number, and servers are number 2 of their namespace: this must not be.
    if os.fork() != 0:
        os.wait()
        os._exit(1)
    orders = Lines(os.dup(0))
    answers = os.dup(1)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    os.dup2(2, 1)
    settings = orders.next()
    file = settings["file"]
    code = None if file is None else prepare(file)
    sys.stdout.flush()
    # What is there now stays: a collection in a child would copy every page of it.
    gc.collect()
    gc.freeze()
    os.write(answers, b"imported\n")
    os.close(answers)
    command = serve(orders, settings)
    if code is None:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        # Python's own, where no locale is set (PEP 538).
        os.environ.pop("LC_CTYPE", None)
        os.execvp(command[0], command)
    sys.argv[:] = command[1:]
    module = types.ModuleType("__main__")
    module.__file__ = os.path.abspath(file)
    module.__loader__ = SourceFileLoader("__main__", module.__file__)
    module.__builtins__ = __builtins__
    sys.modules["__main__"] = module
    exec(code, module.__dict__)


main()
