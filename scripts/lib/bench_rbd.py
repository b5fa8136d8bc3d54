# SPDX-License-Identifier: Apache-2.0
"""scripts/bench --rbd: the rbd handler on the fake kernel, beside fio's own rbd engine, on one image of one Ceph cluster.

fio is librbd with nothing around it: no ring, no SCSI, no second process. It runs as it comes, with Ceph's defaults but for
one: by default librbd acknowledges writes out of its cache, long before an OSD has them, and the handler doesn't. So writes
are measured twice, of both sides without that cache (tcmud, fio) and of both with it (tcmud-cache, fio-cache).
"""
import glob
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time

from bench_report import ROOT, against, build, busy_cpus, cpu_ticks, describe, human, machine, mad, median, print_targets
from bench_report import set_nice, spread, stamped_image, target

CEPH_CLUSTER = os.path.join(ROOT, "scripts", "ceph-cluster")
IMAGE = "bench-{n}"
LUNS = 8  # of the measurement of many


def usage(pid):
    """CPU time (ns), context switches and threads of a process; None when it is gone."""
    cpu = switches = threads = 0
    for task in glob.glob(f"/proc/{pid}/task/*"):
        try:
            with open(f"{task}/schedstat", encoding="ascii") as file:
                cpu += int(file.read().split()[0])
            with open(f"{task}/status", encoding="ascii") as file:
                switches += sum(int(line.split()[1]) for line in file if "ctxt_switches:" in line)
        except (OSError, IndexError):
            continue  # it has ended meanwhile
        threads += 1
    return (cpu, switches, threads) if threads > 0 else None


def own_memory_kib(pid):
    """What a process has in memory but for what it shares with others by design; 0 when it has ended."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["VmRSS"].split()[0]) - int(fields["RssShmem"].split()[0]) if "VmRSS" in fields else 0


class Cluster:
    """A Ceph cluster for as long as a `with` lasts, with images of which every 4 KiB begin with their own number."""

    def __init__(self, directory):
        self.folder = os.path.join(directory, "cluster")
        self.images = os.path.join(directory, "images")
        self.conf = os.path.join(self.folder, "ceph.conf")
        self.conf_without_cache = os.path.join(directory, "without-cache.conf")

    def __enter__(self):
        self.script("start")
        os.mkdir(self.images)
        with open(self.conf, encoding="utf-8") as conf, open(self.conf_without_cache, "w", encoding="utf-8") as copy:
            copy.write(conf.read() + "[client]\nrbd cache = false\n")
        return self

    def __exit__(self, *_):
        self.script("stop")

    def script(self, verb):
        subprocess.run([CEPH_CLUSTER, verb, self.folder], check=True, stdout=subprocess.DEVNULL)

    def make_image(self, name, size):
        path = os.path.join(self.images, name)
        stamped_image(path, size)
        subprocess.run(["rbd", "-c", self.conf, "--no-progress", "import", path, f"rbd/{name}"], check=True)
        os.unlink(path)

    def cpu_ns(self):
        total = 0
        for path in glob.glob(os.path.join(self.folder, "*.pid")):
            with open(path, encoding="ascii") as file:
                used = usage(file.read().strip())
            total += used[0] if used else 0
        return total


class Rbd:
    """Everything that is measured on one cluster."""

    def __init__(self, options, cluster):
        self.options = options
        self.cluster = cluster
        self.lun_bytes = options.lun_mib << 20
        self.results = []
        self.targets = []

    # -- subjects

    def tcmud(self, rw, size, depth, devices, cache):
        return self.ring_bench(devices, ["--rw", rw, "--bs", str(size), "--qd", str(depth), "--warm-up",
                                         str(self.options.warm_up), "--seconds", str(self.options.seconds)], cache)

    def ring_bench(self, devices, arguments, cache=False):
        folder = self.options.build_dir
        lun_bytes = self.lun_bytes // devices
        config = f"rbd/rbd/{IMAGE};conf={self.cluster.conf}" + (";cache" if cache else "") + self.options.rbd_options
        command = [f"{folder}/bench/ring_bench", "--lun-bytes", str(lun_bytes), "--devices", str(devices)] + arguments
        command += ["--", f"{folder}/bench/tcmud_subject", f"{folder}/lib/tcmud", config, str(lun_bytes), "{nodes}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\nfailed with {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    def fio(self, rw, size, depth, devices, cache):
        command = ["fio", "--ioengine=rbd", "--clientname=admin", "--pool=rbd", f"--rw=rand{rw}", f"--bs={size}",
                   f"--iodepth={depth}", f"--size={self.lun_bytes // devices}", "--norandommap", "--time_based",
                   f"--ramp_time={self.options.warm_up * 1000:.0f}ms", f"--runtime={self.options.seconds * 1000:.0f}ms",
                   "--thread", "--group_reporting", "--output-format=json"]
        command += [word for n in range(devices) for word in (f"--name=lun{n}", f"--rbdname={IMAGE.replace('{n}', str(n))}")]
        samples = []
        environment = dict(os.environ, CEPH_CONF=self.cluster.conf if cache else self.cluster.conf_without_cache)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
            while process.poll() is None:
                used, memory = usage(process.pid), own_memory_kib(process.pid)
                if used and memory:
                    samples.append((time.monotonic(), *used, memory))
                time.sleep(0.05)
            said, errors = process.communicate()
        if process.returncode != 0:
            sys.exit(f"{' '.join(command)}\nfailed with {process.returncode}: {errors or said}")
        job = json.loads(said[said.index("{"):])["jobs"][0][rw]
        # The middle of the measurement: when it had all its threads, but for the warm-up and the end.
        threads = max(sample[3] for sample in samples)
        last = max(sample[0] for sample in samples if sample[3] == threads)
        middle = [sample for sample in samples if last - 0.9 * self.options.seconds <= sample[0] <= last - 0.1]
        commands = job["iops"] * (middle[-1][0] - middle[0][0])
        return {"commands": job["total_ios"], "kiops": job["iops"] / 1e3, "mbps": job["bw_bytes"] / 1e6,
                "cpu_ns": (middle[-1][1] - middle[0][1]) / commands, "ctx": (middle[-1][2] - middle[0][2]) / commands,
                "threads": threads, "rss_kib": middle[-1][4]}

    # -- rounds

    def measure(self, subject, *what):
        """One run, and how many CPUs others used meanwhile: not it, and not the cluster."""
        ticks, cluster, began = cpu_ticks(), self.cluster.cpu_ns(), time.monotonic()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = self.tcmud if subject.startswith("tcmud") else self.fio
        result = run(*what, cache=subject.endswith("-cache"))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy = (cpu_ticks() - ticks) / os.sysconf("SC_CLK_TCK")
        ours = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        of_cluster = (self.cluster.cpu_ns() - cluster) / 1e9
        result["foreign_cpus"] = max(0.0, (busy - ours - of_cluster) / (time.monotonic() - began))
        return result

    def wait_for_quiet(self):
        end = time.monotonic() + self.options.wait_quiet
        while time.monotonic() < end and busy_cpus(0.1) > 0.2:
            pass

    def row(self, subjects, rw, size, depth, devices=1):
        rounds = {subject: [] for subject in subjects}
        for number in range(self.options.rounds):
            self.wait_for_quiet()
            # Who comes second finds caches warm, and buffers of the OSD's at hand.
            for subject in subjects if number % 2 == 0 else reversed(subjects):
                rounds[subject].append(self.measure(subject, rw, size, depth, devices))
        for subject, measured in rounds.items():
            self.results.append({"subject": subject, "rw": rw, "bytes": size, "depth": depth, "devices": devices,
                                 "rounds": measured})
        self.print_row(rw, size, depth, devices, rounds)
        return rounds

    @staticmethod
    def print_row(rw, size, depth, devices, rounds):
        where = f"{human(size)} {rw}" + (f" x{devices}" if devices > 1 else "")
        ours, theirs = rounds.values()
        ratios = [our["kiops"] / their["kiops"] for our, their in zip(ours, theirs)]
        for subject, measured in rounds.items():
            def column(key, scale=1.0, measured=measured):
                return [measurement[key] / scale for measurement in measured]

            ratio = f"{median(ratios):.2f} ±{mad(ratios):.2f}" if measured is ours else ""
            print(f"{where:<16} {depth:>4}  {subject:<12} {spread(column('kiops'), '{:.2f}'):>15} "
                  f"{median(column('mbps')):>7.0f} {ratio:>12} {spread(column('cpu_ns', 1e3)):>15} "
                  f"{median(column('ctx')):>8.2f} {median(column('threads')):>8.0f} "
                  f"{median(column('rss_kib', 1024)):>8.0f} {median(column('foreign_cpus')):>7.2f}", flush=True)

    @staticmethod
    def heading(text):
        print(f"\n{text}\n{'workload':<16} {'QD':>4}  {'subject':<12} {'kIOPS':>15} {'MB/s':>7} {'of fio':>12} {'CPU us/command':>15} "
              f"{'ctx/cmd':>8} {'threads':>8} {'MiB':>8} {'others':>7}", flush=True)

    # -- what is measured

    def beside_fio(self):
        self.heading("One image, beside fio's rbd engine")
        self.cluster.make_image(IMAGE.replace("{n}", "0"), self.lun_bytes)
        # In this order: fio's writes leave no numbers for ours to read.
        for subjects, rw in ((("tcmud", "fio"), "read"), (("tcmud", "fio"), "write"), (("tcmud-cache", "fio-cache"), "write")):
            for size in (4096, 1 << 20):
                for depth in (1, 16, 64):
                    rounds = self.row(subjects, rw, size, depth)
                    self.targets.append(against(rounds, *subjects, f"{human(size)} {rw} QD {depth}", 0.9))

    def many(self):
        """Of smaller images, which share the size of one."""
        for number in range(1, LUNS):
            self.cluster.make_image(IMAGE.replace("{n}", str(number)), self.lun_bytes // LUNS)
        self.heading(f"{LUNS} LUNs at once, each with a connection of its own on both sides")
        self.row(("tcmud", "fio"), "write", 4096, 16, LUNS)
        idle = {count: self.ring_bench(count, ["--idle", "--seconds", "1"]) for count in (1, LUNS)}
        self.results.append({"subject": "tcmud", "idle": idle})
        for count, measured in idle.items():
            print(f"at rest, {count} LUNs: {measured['threads']} threads, {measured['rss_kib'] / 1024:.0f} MiB, "
                  f"{measured['cpu_us_per_s']:.0f} us of CPU and {measured['ctx_per_s']:.0f} switches a second, "
                  f"up in {measured['up_ms']:.0f} ms")
        of_one = (idle[LUNS]["threads"] - idle[1]["threads"]) / (LUNS - 1)
        self.targets.append(target("LUN at rest: threads of its own (tcmu-runner: about 17)", of_one, 14, at_most=True))


def rbd(options):
    for program, brings in (("fio", "scripts/install-deps --with-host"), ("rbd", "scripts/install-deps")):
        if not shutil.which(program):
            sys.exit(f"{program} is missing: {brings} brings it")
    build(options, ["ring_bench", "tcmud_subject", "handler_rbd"])
    facts = machine()
    facts["nice"] = set_nice(options.nice)
    print(describe(facts))
    print(f"{options.rounds} rounds of {options.seconds} s; ± is the median absolute deviation; 'others' are CPUs that "
          "neither the subject nor the cluster used; CPU and threads are the subject's, of librados' threads, too")
    with tempfile.TemporaryDirectory(prefix="tcmud-bench-", dir=options.directory) as folder, Cluster(folder) as cluster:
        bench = Rbd(options, cluster)
        bench.beside_fio()
        bench.many()
    print_targets(bench.targets)
    return {"machine": facts, "rounds": options.rounds, "seconds": options.seconds, "results": bench.results,
            "targets": bench.targets}
