package rig

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// counters of the kernel that only go up.
type counters struct {
	kills, throttled, groupCPU, ownCPU, machineCPU float64
}

func (s *stage) counters() counters {
	// What is not there stays zero, and so does its difference.
	kills, _ := s.group.line("memory", "memory.oom_control", "oom_kill")
	throttled, _ := s.group.line("cpu", "cpu.stat", "throttled_time")
	groupCPU, _ := s.group.number("cpuacct", "cpuacct.usage")
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	stat, _ := os.ReadFile("/proc/stat")
	return counters{
		kills: kills, throttled: throttled / 1e9, groupCPU: groupCPU / 1e9,
		ownCPU:     float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9,
		machineCPU: busySeconds(string(stat)),
	}
}

// busySeconds of all CPUs, out of /proc/stat: user, nice, system, irq, softirq; waiting and idling are not work.
func busySeconds(stat string) float64 {
	fields := strings.Fields(strings.SplitN(stat, "\n", 2)[0])
	if len(fields) < 8 || fields[0] != "cpu" {
		return 0
	}
	var busy float64
	for _, i := range []int{1, 2, 3, 6, 7} {
		busy += number(fields[i])
	}
	const ticksPerSecond = 100
	return busy / ticksPerSecond
}

// count what kernel and runtime have counted.
func (s *stage) count(r *Result, before counters) {
	now := s.counters()
	lasted := time.Since(s.began).Seconds()
	r.OOMKills, r.Drains = int(now.kills-before.kills), s.drains
	if !s.firstEnd.IsZero() {
		r.FirstEnd = s.firstEnd.Sub(s.began).Seconds()
	}
	r.PeakBytes, _ = s.group.number("memory", "memory.max_usage_in_bytes") // the file was there a moment ago
	r.ThrottledSeconds = (now.throttled - before.throttled) / lasted
	r.ServiceCores = (now.groupCPU - before.groupCPU) / lasted
	ours := now.groupCPU - before.groupCPU + now.ownCPU - before.ownCPU
	if s.sidecar != nil {
		s.sidecar.kill()
		spent := s.sidecar.ProcessState.UserTime() + s.sidecar.ProcessState.SystemTime()
		r.SidecarCores = spent.Seconds() / (lasted + s.workload.WarmUp(&s.policy).Seconds())
		ours += r.SidecarCores * lasted
	}
	r.OthersRatio = max(now.machineCPU-before.machineCPU-ours, 0) / (lasted * float64(runtime.NumCPU()))
	var capacity float64
	for i, instance := range s.instances {
		sums := sums(instance.figures(), s.from[i], s.workload.Cores)
		r.GCCycles += sums.cycles
		r.GCCPURatio += sums.seconds
		r.BadSeconds += float64(sums.bad)
		capacity += sums.capacity
	}
	if s.companion != nil {
		// They have the same CPUs.
		sums := sums(s.companion.figures(), s.companionFrom, s.workload.Cores)
		r.GCCycles += sums.cycles
		r.GCCPURatio += sums.seconds
	}
	if capacity > 0 {
		r.GCCPURatio /= capacity
	}
}

// judge the answers.
func (s *stage) judge(r *Result, load Load) {
	lasted := s.workload.Lasts.Seconds()
	milliseconds := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	r.OfferedPerSecond = float64(load.Offered) / lasted
	r.Goodput = float64(load.InTime) / lasted
	r.P50ms = milliseconds(percentile(load.Latencies, 0.50))
	r.P99ms = milliseconds(percentile(load.Latencies, 0.99))
}

// GoFirst asks the kernel to let the rig and what it starts run before others, so that a busy machine disturbs less. All policies have it
// alike.
func GoFirst() {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, -15); err != nil {
		fmt.Fprintln(os.Stderr, "others on this machine come first:", err)
	}
}

// number that a kernel file holds; 0 where there is none.
func number(text string) float64 {
	value, _ := strconv.ParseFloat(text, 64)
	return value
}
