# SPDX-License-Identifier: Apache-2.0
"""What every measurement of scripts/bench needs: statistics, the machine, targets, building what is measured."""
import atexit
import datetime
import os
import platform
import statistics
import struct
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def median(values):
    return statistics.median(values)


def mad(values):
    middle = statistics.median(values)
    return statistics.median([abs(value - middle) for value in values])


def spread(values, form="{:.1f}"):
    return f"{form.format(median(values))} ±{form.format(mad(values))}"


def human(size):
    return f"{size >> 10} KiB" if size < 1 << 20 else f"{size >> 20} MiB"


# ---- The machine ------------------------------------------------------------------------------------------------------


def cpu_ticks():
    with open("/proc/stat", encoding="ascii") as stat:
        numbers = [int(word) for word in stat.readline().split()[1:9]]
    return sum(numbers) - numbers[3] - numbers[4]


def busy_cpus(seconds):
    before = cpu_ticks()
    time.sleep(seconds)
    return (cpu_ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds


def machine():
    model = "unknown CPU"
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "load_average": os.getloadavg()[0],
        "revision": revision(),
    }


def set_nice(value):
    """The nice value from now on; where sessions are scheduled as groups, the group's too, until this ends."""
    if value != 0:
        try:
            with open("/proc/self/autogroup", encoding="ascii") as group:
                before = group.read().split()[-1]
            set_group_nice(value)
            atexit.register(set_group_nice, before)
        except OSError:
            pass
    return os.nice(value)


def set_group_nice(value):
    with open("/proc/self/autogroup", "w", encoding="ascii") as group:
        group.write(str(value))


def revision():
    try:
        said = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True,
                              check=True)
        return said.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def describe(facts):
    return (f"{facts['cpu']}, {facts['cpus']} CPUs, Linux {facts['kernel']}, revision {facts['revision']}, "
            f"{facts['date']}, load average {facts['load_average']:.1f}, nice {facts.get('nice', 0)}")


# ---- Targets ----------------------------------------------------------------------------------------------------------


def target(what, measured, limit, at_most):
    return {"target": what, "measured": measured, "limit": limit, "relation": "<=" if at_most else ">=",
            "met": measured <= limit if at_most else measured >= limit}


def against(rounds, ours, theirs, what, limit):
    """The median of the ratios round by round, as what disturbs one round disturbs both."""
    ratios = [our["kiops"] / their["kiops"] for our, their in zip(rounds[ours], rounds[theirs])]
    return target(f"{what}: of {theirs} (±{mad(ratios):.2f})", median(ratios), limit, at_most=False)


def print_targets(targets):
    print("\nTargets")
    for one in targets:
        print(f"{'met   ' if one['met'] else 'MISSED'} {one['target']:<72} {one['measured']:>9.3f} "
              f"{one['relation']} {one['limit']}")
    print(f"{sum(one['met'] for one in targets)} of {len(targets)} targets met")


# ---- What is measured ------------------------------------------------------------------------------------------------


def stamped_image(path, size):
    """A file of which every 4 KiB begin with their own number: see tests/bench/load.h."""
    filler = b"\x5c" * 4088
    with open(path, "wb") as image:
        for number in range(size // 4096):
            image.write(struct.pack("=Q", number) + filler)


def build(options, programs):
    if not os.path.exists(os.path.join(options.build_dir, "CMakeCache.txt")):
        subprocess.run(["cmake", "-S", ROOT, "-B", options.build_dir, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
                       check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", options.build_dir, "--target"] + programs,
                   check=True, stdout=subprocess.DEVNULL)
