// Package setpointsql makes the connection pool of database/sql tunable while it runs. Each function registers one knob and puts its
// baseline in force.
package setpointsql

import (
	"database/sql"
	"time"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
)

// MaxOpen is the most connections of a pool, knob pool.NAME.open. A lower one takes effect as connections are given back; a call that
// finds none waits in database/sql, so let a limiter of about the same size stand before it.
func MaxOpen(sp *setpoint.Setpoint, name string, db *sql.DB, lowest, highest, baseline int) *setpoint.Knob {
	// 0 would be no bound at all.
	return number(sp, "pool."+name+".open", float64(max(lowest, 1)), float64(highest), float64(baseline), setpoint.PoolSize(),
		func(size float64) { db.SetMaxOpenConns(int(size)) })
}

// MaxIdle is the most idle connections that are kept, knob pool.NAME.idle.
func MaxIdle(sp *setpoint.Setpoint, name string, db *sql.DB, lowest, highest, baseline int) *setpoint.Knob {
	return number(sp, "pool."+name+".idle", float64(lowest), float64(highest), float64(baseline), setpoint.PoolSize(),
		func(size float64) { db.SetMaxIdleConns(int(size)) })
}

// IdleTime is how long an idle connection is kept, knob timeout.NAME.idle.
func IdleTime(sp *setpoint.Setpoint, name string, db *sql.DB, lowest, highest, baseline time.Duration) *setpoint.Knob {
	millis := func(wait time.Duration) float64 { return float64(wait) / float64(time.Millisecond) }
	// 0 would be for ever.
	return number(sp, "timeout."+name+".idle", millis(max(lowest, time.Millisecond)), millis(highest), millis(baseline), setpoint.Timeout(),
		func(wait float64) { db.SetConnMaxIdleTime(time.Duration(wait * float64(time.Millisecond))) })
}

func number(sp *setpoint.Setpoint, name string, lowest, highest, baseline float64, kind setpoint.KnobOption, set func(float64)) *setpoint.Knob {
	knob := sp.Knob(name, kind, setpoint.Bounds(lowest, highest), setpoint.Baseline(baseline),
		setpoint.OnChange(func(change setpoint.Change) { set(change.To) }))
	set(knob.Value())
	return knob
}
