module github.com/setpoint-dev/setpoint/integration/go

go 1.26.0

require (
	github.com/KimMachineGun/automemlimit v1.0.1
	github.com/bytedance/gopkg v0.1.4
	github.com/failsafe-go/failsafe-go v0.9.8
	github.com/setpoint-dev/setpoint/client-sdk/go v0.0.0
	go.uber.org/automaxprocs v1.6.0
	golang.org/x/sys v0.40.0
)

require (
	github.com/bits-and-blooms/bitset v1.24.4 // indirect
	github.com/influxdata/tdigest v0.0.1 // indirect
	github.com/pbnjay/memory v0.0.0-20210728143218-7b4eea64cf58 // indirect
	golang.org/x/net v0.49.0 // indirect
	golang.org/x/text v0.33.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260120221211-b8f7ae30c516 // indirect
	google.golang.org/grpc v1.80.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace github.com/setpoint-dev/setpoint/client-sdk/go => ../../client-sdk/go
