package model

// Service is what a subgraph tells of itself.
type Service struct{ SDL string }
