// Command web answers every HTTP request with the client's address, the pod's name and its node.
//
//	web [ADDRESS]    the default is :80
//
// It takes the place of nginx on the local cloud. The address that it prints is the one that the
// packets had, so that a test sees whether the network kept it. Each request is a line of its
// output, in the form of nginx's access log.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	defaultAddress = ":80"
	limit          = 10 * time.Second
	logTime        = "02/Jan/2006:15:04:05 -0700"
)

func main() {
	if err := serve(append(os.Args[1:], defaultAddress)[0]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(address string) error {
	name, _ := os.Hostname()
	server := &http.Server{Addr: address, Handler: handler(name), ReadHeaderTimeout: limit}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	defer cancel()
	go func() {
		<-stop.Done()
		end, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		_ = server.Shutdown(end)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func handler(name string) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		client, _, err := net.SplitHostPort(request.RemoteAddr)
		if err != nil {
			client = request.RemoteAddr
		}
		fmt.Printf("%s - - [%s] %q 200\n", client, time.Now().Format(logTime),
			request.Method+" "+request.RequestURI+" "+request.Proto)
		response.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(response, "client %s\npod %s\n", client, name)
	})
}
