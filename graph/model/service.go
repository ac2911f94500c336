package model

// Service is the description of a subgraph.
type Service struct{ SDL string }
