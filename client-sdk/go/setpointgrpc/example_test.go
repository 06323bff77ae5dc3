package setpointgrpc_test

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	"github.com/setpoint-dev/setpoint/client-sdk/go/setpointgrpc"
)

func ExampleUnaryServer() {
	sp := setpoint.Start(context.Background(), "checkout", setpoint.WithSocket("/nonexistent/setpoint.sock"))
	defer sp.Stop()
	inbound := sp.Limiter("inbound")
	options := []setpointgrpc.Option{
		setpointgrpc.Deadlines(500*time.Millisecond, setpoint.KeepRatio(0.2)), setpointgrpc.ContainPanics(),
	}
	server := grpc.NewServer(
		grpc.UnaryInterceptor(setpointgrpc.UnaryServer(inbound, options...)),
		grpc.StreamInterceptor(setpointgrpc.StreamServer(inbound, options...)))
	defer server.Stop()
	fmt.Println(inbound.Limit())
	// Output: 50
}

func ExampleUnaryClient() {
	sp := setpoint.Start(context.Background(), "checkout", setpoint.WithSocket("/nonexistent/setpoint.sock"))
	defer sp.Stop()
	stock := sp.Limiter("stock")
	sp.Breaker("stock", setpoint.BreakerRules{})
	options := []setpointgrpc.Option{
		setpointgrpc.Throttle(sp.Throttle("stock")), setpointgrpc.PassDeadline(setpoint.KeepTime(10 * time.Millisecond)),
	}
	conn, err := grpc.NewClient("unix:///nonexistent/stock.sock", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(setpointgrpc.UnaryClient(stock, options...)),
		grpc.WithStreamInterceptor(setpointgrpc.StreamClient(stock, options...)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	err = conn.Invoke(context.Background(), "/shop.Stock/Get", nil, nil)
	fmt.Println(err != nil, stock.InFlight())
	// Output: true 0
}
