"""Files of all kinds that a copy can lose something of, and what each is: made and told by the host itself, as root.

3,000 files by default: names that a shell, a line or UTF-8 would break at, owners, hard and symbolic links (one to
nowhere, one in a circle), modes with setgid and sticky bits, ACLs, extended attributes, times, sparse files, a pipe,
empty folders, deep folders.
"""

from shlex import quote

from tests.workbench_in_lab import Workbench

_MAKE = r"""
import os, random, socket, subprocess, sys
where, count = sys.argv[1], int(sys.argv[2])
dice = random.Random(1815)
ada, grace = (int(subprocess.check_output(["id", "-u", name])) for name in ("ada", "grace"))
odd = [b" ", b"a b", b"-rf", b"*", b"line\nbreak", b"tab\t", b"quote'\"", b"\xff\xfe not utf-8", "é ü 漢字 🐍".encode(),
       b"e\xcc\x81", b"\\", b"$(id)", b"%2F", b"~", b"x" * 255, b".hidden", b"#c#", b"a:b", b"CON", b"end."]
os.makedirs(where)
top = os.fsencode(where)
for number in range(count):
    folder = top + b"/%02d" % (number % 50)
    os.makedirs(folder, exist_ok=True)
    path = folder + b"/" + (odd[number // 50] if number // 50 < len(odd) else b"file-%d" % number)
    kind = number % 12
    if kind == 0:
        os.symlink(dice.choice([b"/nowhere", b"../01/a b", b"loop", b"/etc/passwd"]), path)
    elif kind == 1 and number > 12:
        os.link(last, path)
    elif kind == 2:
        with open(path, "wb") as file:
            file.seek(10_000_000)
            file.write(b"end")
    else:
        with open(path, "wb") as file:
            file.write(dice.randbytes(dice.choice([0, 1, 4095, 4096, 4097, 20000])))
        last = path
    if kind != 1:
        os.lchown(path, dice.choice([ada, grace, 0, 4242]), dice.choice([ada, grace, 0]))
    if kind > 2:
        os.chmod(path, dice.choice([0o600, 0o644, 0o000, 0o755, 0o4755, 0o2711, 0o1666]))
        if kind == 3:
            os.setxattr(path, "user.note", dice.randbytes(40))
        if kind == 4:
            os.setxattr(path, "trusted.mark", b"of root")
    os.utime(path, ns=(10**18 + number, 10**18 + 7 * number), follow_symlinks=False)
os.symlink("circle", top + b"/circle")
os.mkfifo(top + b"/pipe")
deep = top + b"/deep/" + b"/".join([b"d"] * 60)
os.makedirs(deep)
os.makedirs(top + b"/empty")
os.chmod(top + b"/empty", 0o3770)
for path, acl in ((b"/empty", "d:u:%d:rwx,u:%d:r-x"), (b"/00", "u:%d:r-x,g:%d:---")):
    subprocess.run(["setfacl", "-m", acl % (ada, grace), top + path], check=True)
os.chown(top, ada, ada)
"""
_TELL = r"""
import hashlib, os, stat, sys
top = os.fsencode(sys.argv[1])
digest, seen, count = hashlib.sha256(), {}, 0
def tell(path):
    global count
    count += 1
    told = os.lstat(path)
    inside = b""
    if stat.S_ISREG(told.st_mode):
        with open(path, "rb") as file:
            inside = hashlib.file_digest(file, "sha256").digest()
    elif stat.S_ISLNK(told.st_mode):
        inside = os.readlink(path)
    names = sorted(os.listxattr(path, follow_symlinks=False))
    extra = [(name, os.getxattr(path, name, follow_symlinks=False)) for name in names]
    same = seen.setdefault(told.st_ino, os.path.relpath(path, top))
    sparse = told.st_size > 1_000_000 and told.st_blocks * 512 < told.st_size / 2
    size = told.st_size if not stat.S_ISDIR(told.st_mode) else 0
    nlink = told.st_nlink if not stat.S_ISDIR(told.st_mode) else 0
    line = (os.path.relpath(path, top), told.st_mode, told.st_uid, told.st_gid, size, told.st_mtime_ns, nlink, same,
            sparse, inside, extra)
    digest.update(repr(line).encode() + b"\n")
def walk(folder):
    tell(folder)
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        walk(path) if os.path.isdir(path) and not os.path.islink(path) else tell(path)
walk(top)
print(count, digest.hexdigest())
"""


def make(workbench: Workbench, where: str, count: int = 3000) -> None:
    """Makes it in a folder that is not there yet."""
    workbench.ssh(f"python3 -c {quote(_MAKE)} {quote(where)} {count}")


def told(workbench: Workbench, where: str) -> str:
    """How many files there are, and a digest of all that is to be known of each; the same only of the same."""
    return workbench.ssh(f"python3 -c {quote(_TELL)} {quote(where)}").stdout.strip()
