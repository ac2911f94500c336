package scalar

// ForbiddenError is a request that this server does not let its caller make. Its text is made to be shown.
type ForbiddenError struct{ Message string }

func (e *ForbiddenError) Error() string { return e.Message }
