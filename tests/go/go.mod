module go-judge

go 1.26.0

godebug default=go1.26

require k8s.io/client-go v0.37.2

require k8s.io/utils v0.0.0-20260626114624-be93311217bd // indirect
