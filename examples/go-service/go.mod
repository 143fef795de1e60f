module recsys-service

go 1.19

require recsys v0.0.0

replace recsys => ../../bindings/go
