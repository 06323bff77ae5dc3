package setpointsql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/leaktest"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/testsdk"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// connector to nothing.
type connector struct{}

func (connector) Connect(context.Context) (driver.Conn, error) { return conn{}, nil }
func (connector) Driver() driver.Driver                        { return nil }

type conn struct{}

func (conn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("nothing to prepare") }
func (conn) Close() error                        { return nil }
func (conn) Begin() (driver.Tx, error)           { return nil, errors.New("nothing to begin") }

func TestC6_APoolFollowsItsKnobs(t *testing.T) {
	sdk, sidecar := testsdk.Start(t)
	db := sql.OpenDB(connector{})
	defer db.Close()
	open := MaxOpen(sdk, "db", db, 0, 100, 10)
	idle := MaxIdle(sdk, "db", db, 0, 100, 2)
	wait := IdleTime(sdk, "db", db, 0, time.Hour, time.Minute)
	if got := db.Stats().MaxOpenConnections; got != 10 {
		t.Errorf("the baseline is in force: %d", got)
	}
	for seq := uint64(1); open.Value() != 4 || idle.Value() != 1 || wait.Value() != 1000; seq++ {
		sidecar.Push(seq, map[string]float64{"pool.db.open": 4, "pool.db.idle": 1, "timeout.db.idle": 1000})
		sidecar.Report()
	}
	if got := db.Stats().MaxOpenConnections; got != 4 {
		t.Errorf("what was pushed is in force: %d", got)
	}
	ctx := context.Background()
	var conns []*sql.Conn
	for range 4 {
		conn, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		conn.Close()
	}
	if stats := db.Stats(); stats.Idle != 1 || stats.MaxIdleClosed != 3 {
		t.Errorf("%+v", stats)
	}
	sdk.Stop()
	if got := db.Stats().MaxOpenConnections; got != 10 {
		t.Errorf("the session is over: %d", got)
	}
}
