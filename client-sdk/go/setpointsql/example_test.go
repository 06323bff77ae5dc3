package setpointsql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	"github.com/setpoint-dev/setpoint/client-sdk/go/setpointsql"
)

// nowhere stands for the driver of a database.
type nowhere struct{}

func (nowhere) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("nowhere") }
func (nowhere) Driver() driver.Driver                        { return nil }

// A limiter of about the pool's size stands before it, so that callers do not wait where nobody counts them.
func ExampleMaxOpen() {
	sp := setpoint.Start(context.Background(), "checkout", setpoint.WithSocket("/nonexistent/setpoint.sock"))
	defer sp.Stop()
	db := sql.OpenDB(nowhere{})
	defer db.Close()
	setpointsql.MaxOpen(sp, "db", db, 4, 100, 20)
	limiter := sp.Limiter("db", setpoint.Bounds(4, 100), setpoint.Baseline(20))
	err := limiter.Do(setpoint.Normal, func() error { return db.PingContext(context.Background()) })
	fmt.Println(err, db.Stats().MaxOpenConnections)
	// Output: nowhere 20
}
