package rig

// Result is what became of one run. Times in seconds and CPUs in cores, unless the name says otherwise.
type Result struct {
	Workload   string `json:"workload"`
	Policy     string `json:"policy"`
	Repetition int    `json:"repetition"`
	// OOMKills the kernel counted in the group; Drains are ends that the sidecar asked for.
	OOMKills int `json:"oom_kills"`
	Drains   int `json:"drains"`
	// FirstEnd is when the first instance ended; 0: it did not.
	FirstEnd float64 `json:"first_end,omitempty"`
	// Goodput is answers within a second of when the request was due, per second; OfferedPerSecond were due.
	Goodput          float64 `json:"goodput"`
	OfferedPerSecond float64 `json:"offered_per_second"`
	// P50 and P99 are of what was answered.
	P50ms float64 `json:"p50_ms"`
	P99ms float64 `json:"p99_ms"`
	// GCCycles, and the share of the usable CPUs that collections took. BadSeconds are those with more than 30 %.
	GCCycles   float64 `json:"gc_cycles"`
	GCCPURatio float64 `json:"gc_cpu_ratio"`
	BadSeconds float64 `json:"bad_seconds"`
	PeakBytes  float64 `json:"peak_bytes"`
	// ThrottledSeconds of all threads, per second.
	ThrottledSeconds float64 `json:"throttled_seconds,omitempty"`
	// ServiceCores, SidecarCores used, and OthersRatio: the share of the machine that processes of others used.
	ServiceCores float64 `json:"service_cores"`
	SidecarCores float64 `json:"sidecar_cores,omitempty"`
	OthersRatio  float64 `json:"others_ratio"`
	// ResizeSeconds is how long it took until all new limits were in force; negative: not all came into force.
	ResizeSeconds float64 `json:"resize_seconds,omitempty"`
	// SafeSeconds is how long after a fault the setting was safe; 0: there was none, negative: it never was.
	SafeSeconds float64 `json:"safe_seconds,omitempty"`
	// SenseMs is how long it took until GOMEMLIMIT went down after each dip of the limit, milliseconds.
	SenseMs []float64 `json:"sense_ms,omitempty"`
	Trace   []Point   `json:"trace"`
}

// Point of time in a run.
type Point struct {
	Seconds float64 `json:"t"`
	// MiB in use by the group, and what it may use.
	Used  float64 `json:"used"`
	Limit float64 `json:"limit"`
	// What the service said last: its live heap, what the runtime counts against GOMEMLIMIT, and that limit in MiB (0: none), GOGC and GOMAXPROCS.
	Live        float64 `json:"live,omitempty"`
	Governed    float64 `json:"governed,omitempty"`
	MemoryLimit float64 `json:"memory_limit,omitempty"`
	Percent     int64   `json:"percent,omitempty"`
	Threads     uint64  `json:"threads,omitempty"`
	// Kills until now.
	Kills int `json:"kills,omitempty"`
}
