package setpointhttp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	"github.com/setpoint-dev/setpoint/client-sdk/go/setpointhttp"
)

func ExampleMiddleware() {
	sp := setpoint.Start(context.Background(), "checkout", setpoint.WithSocket("/nonexistent/setpoint.sock"))
	defer sp.Stop()
	inbound := sp.Limiter("inbound", setpoint.Bounds(0, 400), setpoint.Queue(200))
	handler := setpointhttp.Middleware(inbound,
		setpointhttp.Deadlines(500*time.Millisecond, setpoint.KeepRatio(0.2)),
		setpointhttp.ContainPanics(),
		setpointhttp.Exempt("/status", "/static/*"),
	)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello") }))
	get := func(path string) int {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest("GET", path, nil))
		return recorder.Code
	}
	fmt.Println(get("/orders"))
	inbound.Breaker().Pin(setpoint.BreakerForcedOpen)
	fmt.Println(get("/orders"), get("/healthz"))
	// Output:
	// 200
	// 503 200
}

func ExampleTransport() {
	sp := setpoint.Start(context.Background(), "checkout", setpoint.WithSocket("/nonexistent/setpoint.sock"))
	defer sp.Stop()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("has time:", r.Header.Get(setpoint.TimeoutHeader) != "")
	}))
	defer server.Close()
	tuned := setpointhttp.Tune(new(http.Transport))
	defer tuned.CloseIdleConnections()
	tuned.IdleConns(sp, "payments", 10, 500, 50) // knob pool.payments.idle
	sp.Breaker("payments", setpoint.BreakerRules{})
	client := &http.Client{Timeout: time.Second, Transport: setpointhttp.Transport(sp.Limiter("payments"), tuned,
		setpointhttp.Throttle(sp.Throttle("payments")),
		setpointhttp.PassDeadline(setpoint.KeepTime(10*time.Millisecond)))}
	response, err := client.Post(server.URL, "text/plain", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	response.Body.Close()
	fmt.Println(response.StatusCode)
	// Output:
	// has time: true
	// 200
}
