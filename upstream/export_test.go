package upstream

// WithoutJitter makes the times between retries exact: 100 ms, then 200 ms.
func (c *Client) WithoutJitter() { c.random = func() float64 { return 1 } }
