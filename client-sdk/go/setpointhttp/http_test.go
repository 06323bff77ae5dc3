package setpointhttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/leaktest"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/testsdk"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// answer with the status that the path says.
func answer(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/panic":
		panic(http.ErrAbortHandler)
	case "/429":
		w.WriteHeader(http.StatusTooManyRequests)
	case "/404":
		w.WriteHeader(http.StatusNotFound)
	case "/500":
		w.WriteHeader(http.StatusInternalServerError)
	case "/slow":
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	default:
		io.WriteString(w, "hello")
	}
}

func sums(completed, dropped, failed, cancelled uint64) func(*v1.ResourceStats) bool {
	return func(s *v1.ResourceStats) bool {
		return s.Completed == completed && s.Dropped == dropped && s.Failed == failed && s.Cancelled == cancelled && s.InFlight == 0
	}
}

func TestStatusesMeanWhatTheTableSaysOnBothSides(t *testing.T) {
	sdk, sidecar := testsdk.Start(t)
	inbound, outbound := sdk.Limiter("inbound"), sdk.Limiter("outbound")
	server := httptest.NewServer(Middleware(inbound)(http.HandlerFunc(answer)))
	defer server.Close()
	base := new(http.Transport)
	client := &http.Client{Transport: Transport(outbound, base)}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/", "/429", "/404", "/500", "/panic", "/healthz", "/debug/pprof"} {
		// A GET would be tried again on another connection.
		response, err := client.Post(server.URL+path, "text/plain", nil)
		if (err != nil) != (path == "/panic") {
			t.Errorf("%s: %v", path, err)
		}
		if err == nil {
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	request, _ := http.NewRequestWithContext(ctx, "GET", server.URL+"/slow", nil)
	if response, err := client.Do(request); err != nil {
		t.Error(err)
	} else {
		cancel()
		response.Body.Close()
	}
	cancelled, cancelIt := context.WithCancel(context.Background())
	cancelIt()
	request, _ = http.NewRequestWithContext(cancelled, "GET", server.URL+"/", nil)
	if _, err := client.Do(request); err == nil {
		t.Error("not cancelled")
	}
	sidecar.Counters("limit.inbound", sums(1, 1, 2, 2))
	// At the client /panic is a broken connection, and /slow had its head.
	sidecar.Counters("limit.outbound", sums(2, 1, 2, 2))
}

func TestARefusedRequestIsToldWhenToComeBack(t *testing.T) {
	sdk, _ := testsdk.Start(t)
	limiter := sdk.Limiter("inbound", setpoint.Bounds(0, 10), setpoint.Baseline(1))
	held, err := limiter.TryAcquire(setpoint.Normal)
	if err != nil {
		t.Fatal(err)
	}
	handler := Middleware(limiter, Exempt("/status", "/static/*"))(http.HandlerFunc(answer))
	get := func(path string, priority setpoint.Priority) *httptest.ResponseRecorder {
		recorder := httptest.NewRecorder()
		request := httptest.NewRequest("GET", path, nil)
		handler.ServeHTTP(recorder, request.WithContext(setpoint.WithPriority(request.Context(), priority)))
		return recorder
	}
	refused := get("/", setpoint.Critical)
	if refused.Code != 503 || refused.Header().Get("Retry-After") != "1" || refused.Header().Get(RejectedHeader) != "concurrency_limit" {
		t.Errorf("%v", refused)
	}
	for _, path := range []string{"/healthz", "/livez", "/readyz", "/metrics", "/debug/pprof/heap", "/status", "/static/a/b"} {
		if got := get(path, setpoint.Normal); got.Code != 200 {
			t.Errorf("%s is exempt: %d", path, got.Code)
		}
	}
	if got := get("/", setpoint.Exempt); got.Code != 200 {
		t.Errorf("%d", got.Code)
	}
	closed := &closing{Reader: strings.NewReader("x")}
	request := httptest.NewRequest("POST", "/", closed)
	_, err = Transport(limiter, nil).RoundTrip(request)
	var rejected *setpoint.Rejected
	if !errors.As(err, &rejected) || !closed.closed {
		t.Errorf("%v, body closed: %v", err, closed.closed)
	}
	held.Finish(setpoint.Success)
	if got := get("/", setpoint.Background); got.Code != 200 {
		t.Errorf("%d", got.Code)
	}
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

type timeout struct{ error }

func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestErrorsOfTheTransport(t *testing.T) {
	for _, test := range []struct {
		err     error
		outcome setpoint.Outcome
	}{
		{errors.New("connection refused"), setpoint.Failure},
		{context.Canceled, setpoint.Ignore},
		{context.DeadlineExceeded, setpoint.Dropped},
		{timeout{errors.New("timed out")}, setpoint.Dropped},
	} {
		if got := outcomeOfError(test.err); got != test.outcome {
			t.Errorf("%v: %v, expected %v", test.err, got, test.outcome)
		}
	}
	sdk, sidecar := testsdk.Start(t)
	transport := Transport(sdk.Limiter("out"), failing{errors.New("refused")})
	if _, err := transport.RoundTrip(httptest.NewRequest("GET", "/", nil)); err == nil {
		t.Error("no error")
	}
	sidecar.Counters("limit.out", sums(0, 0, 1, 0))
}

func TestC6_ATunedTransportIsSwapped(t *testing.T) {
	sdk, sidecar := testsdk.Start(t)
	tuned := Tune(&http.Transport{})
	defer tuned.CloseIdleConnections()
	tuned.Conns(sdk, "api", 0, 100, 10)
	tuned.IdleConns(sdk, "api", 1, 50, 5)
	tuned.IdleTime(sdk, "api", time.Second, time.Minute, 30*time.Second)
	header := tuned.HeaderTime(sdk, "api", time.Millisecond, time.Minute, 10*time.Second)
	if base := tuned.base.Load(); base.MaxConnsPerHost != 10 || base.MaxIdleConnsPerHost != 5 || base.IdleConnTimeout != 30*time.Second || base.ResponseHeaderTimeout != 10*time.Second {
		t.Errorf("%+v", base)
	}
	server := httptest.NewServer(http.HandlerFunc(answer))
	defer server.Close()
	client := &http.Client{Transport: tuned}
	get := func() {
		t.Helper()
		response, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	get()
	// The sidecar hears of knobs with the next tick, so it may take more than one frame.
	for seq := uint64(1); header.Value() != 2500; seq++ {
		sidecar.Push(seq, map[string]float64{"pool.api.conns": 20, "timeout.api.header": 2500})
		sidecar.Report()
	}
	get()
	if base := tuned.base.Load(); base.MaxConnsPerHost != 20 || base.ResponseHeaderTimeout != 2500*time.Millisecond || base.MaxIdleConnsPerHost != 5 {
		t.Errorf("%+v", base)
	}
}

func TestPriorityAndOutcomeAreTheOwnersToChoose(t *testing.T) {
	sdk, sidecar := testsdk.Start(t)
	handler := Middleware(sdk.Limiter("in"),
		ExemptIf(func(r *http.Request) bool { return r.Header.Get("X-Probe") != "" }),
		PriorityOf(func(*http.Request) setpoint.Priority { return setpoint.Low }),
		OutcomeOf(func(int, http.Header) setpoint.Outcome { return setpoint.Dropped }),
	)(http.HandlerFunc(answer))
	probe := httptest.NewRequest("GET", "/", nil)
	probe.Header.Set("X-Probe", "1")
	for _, request := range []*http.Request{probe, httptest.NewRequest("GET", "/", nil)} {
		handler.ServeHTTP(httptest.NewRecorder(), request)
	}
	sidecar.Counters("limit.in", sums(0, 1, 0, 0))
}
