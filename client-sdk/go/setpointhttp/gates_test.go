package setpointhttp

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/testsdk"
)

// ask a handler for a path; the answer.
func ask(handler http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	recorder, request := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	handler.ServeHTTP(recorder, request)
	return recorder
}

func TestC8_HealthAndTracesPassInEveryState(t *testing.T) {
	sdk, _ := testsdk.Start(t)
	limiter := sdk.Limiter("inbound", setpoint.Bounds(0, 10), setpoint.Baseline(10))
	rate := sdk.Rate("inbound", setpoint.Bounds(0, 10))
	handler := Middleware(limiter, Rate(rate), Deadlines(time.Second, setpoint.KeepTime(2*time.Second)))(http.HandlerFunc(answer))
	rate.Pin(0)
	limiter.Pin(0)
	for state := setpoint.BreakerClosed; state <= setpoint.BreakerShadow; state++ {
		limiter.Breaker().Pin(state)
		for _, path := range []string{"/healthz", "/livez", "/readyz", "/metrics", "/debug/pprof", "/grpc.health.v1.Health/Check", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"} {
			if got := ask(handler, path); got.Code != 200 {
				t.Errorf("%s while %v: %d", path, state, got.Code)
			}
		}
		if got := ask(handler, "/"); got.Code != 503 {
			t.Errorf("/ while %v: %d", state, got.Code)
		}
	}
}

func TestEveryGateAnswersInItsOwnWay(t *testing.T) {
	sdk, sidecar := testsdk.Start(t)
	limiter, rate := sdk.Limiter("inbound"), sdk.Rate("inbound", setpoint.Bounds(0, 10))
	handler := Middleware(limiter, Rate(rate), Deadlines(0, setpoint.Reserve{}))(http.HandlerFunc(answer))
	expect := func(got *httptest.ResponseRecorder, status int, reason string) {
		t.Helper()
		if got.Code != status || got.Header().Get(RejectedHeader) != reason || (reason != "") != (got.Header().Get("Retry-After") != "") {
			t.Errorf("%d %v, expected %d %q", got.Code, got.Header(), status, reason)
		}
	}
	expect(ask(handler, "/"), 200, "")
	rate.Pin(0)
	expect(ask(handler, "/"), 429, "rate_limit")
	rate.Unpin()
	expect(ask(handler, "/", setpoint.TimeoutHeader, "0"), 503, "deadline")
	expect(ask(handler, "/", "Grpc-Timeout", "0m"), 503, "deadline")
	expect(ask(handler, "/", setpoint.TimeoutHeader, "soon"), 400, "")
	expect(ask(handler, "/", setpoint.TimeoutHeader, "1", setpoint.TimeoutHeader, "2"), 400, "")
	limiter.Breaker().Pin(setpoint.BreakerForcedOpen)
	expect(ask(handler, "/"), 503, "breaker_open")
	// What the rate refused after its admission was cancelled.
	sidecar.Counters("limit.inbound", sums(1, 0, 0, 1))
	sidecar.Counters("rate.inbound", sums(1, 0, 0, 0))
}

func TestC7_ARequestHasTheTimeThatIsLeft(t *testing.T) {
	sdk, _ := testsdk.Start(t)
	var left time.Duration
	var has bool
	seen := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		deadline, ok := r.Context().Deadline()
		left, has = time.Until(deadline), ok
	})
	handler := Middleware(sdk.Limiter("inbound"), Deadlines(500*time.Second, setpoint.KeepRatio(0.2)))(seen)
	for _, test := range []struct {
		headers []string
		seconds float64
	}{
		{nil, 400},
		{[]string{setpoint.TimeoutHeader, "100000"}, 100},
		{[]string{setpoint.TimeoutHeader, "900000"}, 400},
		{[]string{"Grpc-Timeout", "2M", setpoint.TimeoutHeader, "300000"}, 120},
	} {
		ask(handler, "/", test.headers...)
		if !has || left.Seconds() > test.seconds || left.Seconds() < test.seconds-60 {
			t.Errorf("%v: %v left", test.headers, left)
		}
	}
	// And so has the next one, less what is kept.
	server := httptest.NewServer(Middleware(sdk.Limiter("second"), Deadlines(0, setpoint.Reserve{}))(seen))
	defer server.Close()
	base := new(http.Transport)
	defer base.CloseIdleConnections()
	client := &http.Client{Transport: Transport(sdk.Limiter("out"), base, PassDeadline(setpoint.KeepTime(100*time.Second))), Timeout: 300 * time.Second}
	response, err := client.Post(server.URL, "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if !has || left.Seconds() > 200 || left.Seconds() < 140 {
		t.Errorf("%v left", left)
	}
	client.Timeout = 50 * time.Second
	if _, err := client.Post(server.URL, "text/plain", nil); err == nil {
		t.Error("more is kept than is left")
	}
}

func TestB6_PanicsAreContainedIfAskedForAndCountedAlways(t *testing.T) {
	sdk, sidecar := testsdk.Start(t)
	limiter := sdk.Limiter("inbound", setpoint.Bounds(1, 1))
	panics := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/late":
			w.WriteHeader(200)
		case "/abort":
			panic(http.ErrAbortHandler)
		}
		panic("the service's own bug")
	})
	contained := Middleware(limiter, ContainPanics())(panics)
	if got := ask(contained, "/"); got.Code != 500 {
		t.Errorf("%d", got.Code)
	}
	for _, test := range []struct {
		handler  http.Handler
		path     string
		expected any
	}{
		{contained, "/late", http.ErrAbortHandler}, {contained, "/abort", http.ErrAbortHandler}, {Middleware(limiter)(panics), "/", "the service's own bug"},
	} {
		func() {
			defer func() {
				if caught := recover(); caught != test.expected {
					t.Errorf("%s: %v", test.path, caught)
				}
			}()
			ask(test.handler, test.path)
		}()
	}
	sidecar.Counters("limit.inbound", sums(0, 0, 4, 0))
}

func TestAClientBelievesWhoAsksToBeLeftAloneAndThrottlesItself(t *testing.T) {
	sdk, sidecar := testsdk.Start(t)
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/busy" {
			w.Header().Set("Retry-After", "77")
			w.WriteHeader(503)
		}
		w.Header().Set("Retry-After", "99") // of one that went well it is no matter
	}))
	defer busy.Close()
	base := new(http.Transport)
	defer base.CloseIdleConnections()
	throttle := sdk.Throttle("out")
	client := &http.Client{Transport: Transport(sdk.Limiter("out"), base, Throttle(throttle))}
	post := func(path string) error {
		response, err := client.Post(busy.URL+path, "text/plain", nil)
		if err == nil {
			response.Body.Close()
		}
		return err
	}
	if err := post("/"); err != nil {
		t.Error(err)
	}
	if got := sidecar.Counters("limit.out", sums(1, 0, 0, 0)); got.RetryAfterSeen != nil {
		t.Errorf("%v", got.RetryAfterSeen)
	}
	refused := 0
	for range 100 {
		if post("/busy") != nil {
			refused++
		}
	}
	if refused == 0 || throttle.RefusedRatio() == 0 {
		t.Errorf("%d refused", refused)
	}
	stats := sidecar.Counters("limit.out", sums(1, uint64(100-refused), 0, 0))
	if left := stats.RetryAfterSeen.AsDuration(); left < 60*time.Second || left > 77*time.Second {
		t.Errorf("%v", left)
	}
}

func TestC8_APriorityIsClaimedAsFarAsCallersAreTrusted(t *testing.T) {
	settings := settingsOf([]Option{PriorityFrom("X-Priority", setpoint.High)})
	for text, expected := range map[string]setpoint.Priority{
		"critical": setpoint.High, "high": setpoint.High, "low": setpoint.Low, "background": setpoint.Background, "normal": setpoint.Normal, "root": setpoint.Normal, "": setpoint.Normal,
	} {
		request := httptest.NewRequest("GET", "/", nil)
		request.Header.Set("X-Priority", text)
		if got := settings.priorityOf(request); got != expected {
			t.Errorf("%q: %v", text, got)
		}
	}
}
