"""Runs one command in a virtual machine that sees the files of this host: virtual_machine.py [--kvm] FOLDER COMMAND...

FOLDER holds what scripts/setup --vm unpacked: Debian's kernel with its modules. The machine boots from memory, has no disk
and no network, and is gone with this process.
"""

import glob
import gzip
import os
import shlex
import subprocess
import sys
import tempfile

import mesh as meshes

MEMORY = "4G"
VIRTIOFSD = ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd")
MODULES = ("virtio_pci", "virtiofs", "overlay", "virtio_rng")
MARK = "vmlab: exit "
BEGUN = "vmlab: up"

# In memory, before there is a file system: the modules, then the host's files below a layer that takes what is written.
FIRST = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for module in {modules}; do $b insmod /modules/$module; done
$b mount -t virtiofs -o ro host /lower
$b mount -t tmpfs layer /layer
$b mkdir /layer/files /layer/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/layer/files,workdir=/layer/work root /root
for folder in proc sys dev; do $b mount --move /$folder /root/$folder; done
exec $b switch_root /root /bin/bash {script}
"""

# On the host's files.
SECOND = """
mount -t tmpfs run /run
mkdir -p /dev/shm /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t devpts -o ptmxmode=0666 pts /dev/pts
mount -t cgroup2 groups /sys/fs/cgroup
# Whoever is in the root of all groups can have none of his own.
mkdir /sys/fs/cgroup/login
echo $$ > /sys/fs/cgroup/login/cgroup.procs
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do echo +$controller > /sys/fs/cgroup/cgroup.subtree_control; done
ip link set lo up
hostname vm
cd {directory}
echo "{begun}"
{environment} {command} </dev/null
echo "{mark}$?"
/bin/busybox poweroff -f
"""


def needed_modules(tree):
    """The files of the modules and of those that they need, in the order in which they are loaded."""
    release = os.path.basename(tree)
    subprocess.run(["busybox", "depmod", "-b", os.path.join(tree, "..", "..", ".."), release], check=True,
                   stderr=subprocess.DEVNULL)
    needs = {}
    with open(os.path.join(tree, "modules.dep"), encoding="utf-8") as stream:
        for line in stream:
            path, _, others = line.partition(":")
            needs[path] = others.split()
    paths = {os.path.basename(path).partition(".")[0].replace("-", "_"): path for path in needs}
    order = []

    def add(path):
        for other in needs[path]:
            if other not in order:
                add(other)
        if path not in order:
            order.append(path)

    for name in MODULES:
        # What is not a module is part of the kernel.
        if name in paths:
            add(paths[name])
    return order


def memory_disk(tree, script, folder):
    """The archive that the kernel unpacks into memory and begins with."""
    root = os.path.join(folder, "root")
    for name in ("bin", "proc", "sys", "dev", "lower", "layer", "root", "modules"):
        os.makedirs(os.path.join(root, name))
    modules = needed_modules(tree)
    for path in modules:
        with open(os.path.join(tree, path), "rb") as source, \
                open(os.path.join(root, "modules", os.path.basename(path)), "wb") as target:
            target.write(source.read())
    subprocess.run(["cp", "/bin/busybox", os.path.join(root, "bin", "busybox")], check=True)
    first = os.path.join(root, "init")
    with open(first, "w", encoding="utf-8") as stream:
        stream.write(FIRST.format(modules=" ".join(os.path.basename(path) for path in modules), script=script))
    os.chmod(first, 0o755)
    names = subprocess.run(["find", "."], cwd=root, check=True, stdout=subprocess.PIPE).stdout
    archive = subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], cwd=root, input=names, check=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    path = os.path.join(folder, "memory.gz")
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(archive)
    return path


def write_script(folder, command):
    """What the machine is to do."""
    environment = {name: value for name, value in os.environ.items()
                   if name.startswith("SWARMLET_") or name in ("PATH", "HOME", "LANG", "CI")}
    path = os.path.join(folder, "script")
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(SECOND.format(
            directory=shlex.quote(os.getcwd()), command=shlex.join(command), mark=MARK, begun=BEGUN,
            environment=" ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())))
    return path


def run(folder, command, with_kvm):
    kernel = glob.glob(os.path.join(folder, "kernel", "boot", "vmlinuz-*"))[0]
    tree = glob.glob(os.path.join(folder, "kernel", "lib", "modules", "*"))[0]
    server_program = next((path for path in VIRTIOFSD if os.path.exists(path)), None)
    if server_program is None:
        raise meshes.MeshError(f"no virtiofsd at {' or '.join(VIRTIOFSD)}: scripts/setup --vm")
    with tempfile.TemporaryDirectory(prefix="run-", dir=os.path.abspath(folder)) as scratch:
        disk = memory_disk(tree, write_script(scratch, command), scratch)
        door = os.path.join(scratch, "door")
        server = subprocess.Popen([server_program, f"--socket-path={door}", "-o", "source=/", "-o", "sandbox=chroot"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        machine = None
        try:
            meshes.wait_until(lambda: os.path.exists(door) or server.poll() is not None, "virtiofsd listens")
            processor = ["-accel", "kvm", "-cpu", "host"] if with_kvm else ["-accel", "tcg,thread=multi", "-cpu", "max"]
            machine = subprocess.Popen(
                ["qemu-system-x86_64", *processor, "-smp", "2", "-m", MEMORY, "-kernel", kernel, "-initrd", disk,
                 "-append", "console=ttyS0 quiet loglevel=3 panic=-1", "-nodefaults", "-no-reboot", "-display", "none",
                 "-serial", "stdio", "-object", f"memory-backend-memfd,id=memory,size={MEMORY},share=on",
                 "-numa", "node,memdev=memory", "-chardev", f"socket,id=files,path={door}",
                 "-device", "vhost-user-fs-pci,chardev=files,tag=host", "-device", "virtio-rng-pci"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace")
            return follow(machine)
        finally:
            for process in (machine, server):
                if process is not None and process.poll() is None:
                    process.kill()
                    process.wait()


def follow(machine):
    """Passes on what the command says; its exit code, or None where the machine ended before it did."""
    begun = False
    for line in machine.stdout:
        line = line.rstrip("\r\n")
        if line.startswith(MARK):
            return int(line[len(MARK):])
        if begun:
            print(line, flush=True)
        begun = begun or line == BEGUN
    return None


def main():
    arguments = sys.argv[1:]
    with_kvm = arguments[0] == "--kvm"
    folder, *command = arguments[1:] if with_kvm else arguments
    meshes.exit_on_signals()
    status = run(folder, command, with_kvm)
    if status is None:
        print("vmlab: the machine ended before its command did", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
