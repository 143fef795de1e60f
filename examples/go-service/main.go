// Command recsys-service answers HTTP requests for similar items and recommendations from one store.
//
//	recsys-service -store shop.recsys -model googlenet.safetensors -algorithm ease -listen 127.0.0.1:8080
//
// The interface is described in openapi.yaml, which is served at /openapi.yaml.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"recsys"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	path := flag.String("store", "", "the store (required)")
	modelFile := flag.String("model", "", "the network that made its embeddings; without it, pictures are not taken")
	algorithm := flag.String("algorithm", "auto", "how lists are made: ease, als, visual, ...")
	listen := flag.String("listen", "127.0.0.1:8080", "address and port")
	grace := flag.Duration("grace", 15*time.Second, "how long requests under way may take after a signal to stop")
	flag.Parse()
	if *path == "" {
		flag.Usage()
		return errors.New("-store is missing")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	store, err := recsys.OpenStore(*path, &recsys.StoreOptions{MustExist: true})
	if err != nil {
		return err
	}
	defer store.Close()
	var model *recsys.Model
	if *modelFile != "" {
		// A crash of the network's libraries costs one request, not the service.
		if model, err = recsys.OpenModel(*modelFile, &recsys.ModelOptions{Isolation: true}); err != nil {
			return err
		}
		defer model.Close()
	}
	s, err := newService(ctx, store, model, *algorithm)
	if err != nil {
		return err
	}
	defer s.close()

	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	log.Printf("listening on http://%s", listener.Addr())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Printf("stopping: requests under way have %s", *grace)
	late, cancel := context.WithTimeout(context.Background(), *grace)
	defer cancel()
	return server.Shutdown(late)
}
