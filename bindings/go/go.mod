module recsys

go 1.19
