// Package call is what a middleware asks before a call begins, and tells when it has ended.
package call

import (
	"context"
	"time"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
)

// Gates that stand before calls beside their limiter; nil: none.
type Gates struct {
	Throttle *setpoint.Throttle
	Rate     *setpoint.Rate
}

// Call is one that was admitted, and what it holds.
type Call struct {
	permit  setpoint.Permit
	attempt setpoint.Attempt
	rate    *setpoint.Rate
}

// Begin asks whether a call may begin:
//
//	1  throttle               refuses for the callee's sake; takes nothing that would have to be given back
//	2  breaker, limit, queue  the breaker before the limit: no place is taken for a call that may not be made
//	3  rate                   a token cannot be given back, so it is taken when nothing else can refuse any more
func (g *Gates) Begin(ctx context.Context, limiter *setpoint.Limiter, priority setpoint.Priority) (c Call, err error) {
	if g.Throttle != nil {
		if c.attempt, err = g.Throttle.TryAcquire(); err != nil {
			return c, err
		}
	}
	if c.permit, err = limiter.Acquire(ctx, priority); err != nil {
		return c, err
	}
	if g.Rate != nil {
		if err = g.Rate.TryAcquire(); err != nil {
			c.permit.Finish(setpoint.Ignore)
			return c, err
		}
		c.rate = g.Rate
	}
	return c, nil
}

// End of a call; retryAfter is how long its callee wants to be left alone, 0 where it did not say so.
func (c *Call) End(outcome setpoint.Outcome, retryAfter time.Duration) {
	if retryAfter > 0 {
		c.permit.RetryAfter(retryAfter)
	}
	c.permit.Finish(outcome)
	c.attempt.Finish(outcome)
	if c.rate != nil {
		c.rate.Record(outcome, retryAfter)
	}
}

// Of the digits of a number in a header.
const mostDigits = 9

// RetryAfter is how long a callee wants to be left alone, if it said so as a number of units: only of a call that went wrong.
func RetryAfter(outcome setpoint.Outcome, text string, unit time.Duration) (time.Duration, bool) {
	if outcome != setpoint.Dropped && outcome != setpoint.Failure || len(text) == 0 || len(text) > mostDigits {
		return 0, false
	}
	count := time.Duration(0)
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		count = 10*count + time.Duration(text[i]-'0')
	}
	return count * unit, true
}
