"""What a run of the experiment does with Mininet's hosts: starts programs on
them, waits for those, captures and counts what passes, and asks the controller."""

import json
import os
import signal
import subprocess
import time
import urllib.request

PORT = 1935
CONTROLLER = "http://127.0.0.1:9653/v1/"


class Processes:
    """What runs on the hosts, so that all of it ends with the run."""

    def __init__(self, folder):
        self.folder = folder
        self.running = []

    def start(self, host, name, argv, output=None):
        """Starts a program that logs into a file, and writes output, if given, to another."""
        log = os.path.join(self.folder, "%s-%s.log" % (host.name, name))
        with open(log, "wb") as errors, open(output or os.devnull, "wb") as out:
            process = host.popen(argv, stdin=subprocess.DEVNULL,
                                 stdout=out if output else errors, stderr=errors)
        process.label, process.log = "%s on %s" % (name, host.name), log
        self.running.append(process)
        return process

    def stop(self, process, sig=signal.SIGTERM, patience=5.0):
        """Ends a process and returns its exit status, or None if it was killed."""
        if process in self.running:
            self.running.remove(process)
        if process.poll() is None:
            process.send_signal(sig)
        try:
            return process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def stop_all(self):
        for process in reversed(list(self.running)):
            self.stop(process)


class NoAnswer(RuntimeError):
    """The controller does not answer, or too late. It may the next time."""


def controller_says(what, patience=5.0):
    try:
        with urllib.request.urlopen(CONTROLLER + what, timeout=patience) as answer:
            return json.load(answer)
    except OSError as error:
        raise NoAnswer("the controller was asked for %s: %s" % (what, error)) from error


def wait_until(what, condition, patience):
    """Polls until condition() is true; an error says what never came."""
    deadline = time.monotonic() + patience
    while True:
        why = ""
        try:
            if condition():
                return
        except NoAnswer as error:
            why = " (%s)" % error
        if time.monotonic() > deadline:
            raise RuntimeError("%s: not within %g s%s" % (what, patience, why))
        time.sleep(0.1)


def listening(host):
    """Whether anything on the host accepts connections on the RTMP port."""
    suffix = ":%04X" % PORT
    for line in host.cmd("cat /proc/net/tcp /proc/net/tcp6").splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[1].endswith(suffix) and fields[3] == "0A":
            return True
    return False


def counters(host):
    """Bytes received and sent by the host's first interface."""
    for line in host.cmd("cat /proc/net/dev").splitlines():
        name, _, rest = line.strip().partition(":")
        if name == host.defaultIntf().name:
            fields = rest.split()
            return {"in": int(fields[0]), "out": int(fields[8])}
    raise RuntimeError("%s: no counters" % host.name)


def nginx(processes, host, config):
    """Starts nginx in the foreground with a folder of its own for pid and logs."""
    prefix = os.path.join(processes.folder, host.name + "-nginx")
    os.makedirs(prefix, exist_ok=True)
    return processes.start(host, "nginx", [
        "nginx", "-e", "stderr", "-p", prefix, "-c", config, "-g", "daemon off;"])


def capture(processes, interfaces):
    """Captures RTMP on interfaces, each given by its host, its name and that of
    the file; returns when nothing can be missed."""
    # Not -w FILE: tcpdump gives its file away, which only root may.
    captures = [processes.start(host, "tcpdump-" + name, [
        "tcpdump", "-Z", "root", "-n", "-s", "0", "-B", "8192", "-U", "-i", interface,
        "-w", "-", "tcp port %d" % PORT], os.path.join(processes.folder, name + ".pcap"))
        for host, interface, name in interfaces]

    def started(process):
        with open(process.log, errors="replace") as log:
            return "listening on" in log.read()

    for process in captures:
        wait_until(process.label, lambda: started(process), 30)
    return captures
