package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/ofctl-live/ofctl-live/internal/api"
	"github.com/ofctl-live/ofctl-live/internal/config"
)

// A core is the controller joined with its policies, as the daemon runs it.
type core interface {
	// Run serves the switches that connect to the listeners until ctx ends, closes what it serves and leaves the
	// switches' flows in place.
	Run(ctx context.Context, listeners []net.Listener) error
	// Apply makes a new configuration hold for every decision after it returns. On an error the old one holds on.
	Apply(next *config.Config) error

	api.Network
	api.Policies
}

// A coreFunc makes the core of a daemon; its metrics go to reg.
type coreFunc func(cfg *config.Config, log *logrus.Logger, reg prometheus.Registerer) (core, error)

// A daemon is one run of the controller.
type daemon struct {
	load    func() (*config.Config, error)
	config  atomic.Pointer[config.Config]
	log     *logrus.Logger
	metrics *daemonMetrics
	core    core
}

// runDaemon runs until ctx ends. Whatever can be wrong with the input is told before anything is served.
func runDaemon(ctx context.Context, load func() (*config.Config, error), logTo io.Writer, newCore coreFunc) error {
	cfg, err := load()
	if err != nil {
		return err
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	d := &daemon{load: load, log: newLogger(cfg.Log, logTo), metrics: newDaemonMetrics(reg)}
	d.config.Store(cfg)

	listeners, err := listenAll(cfg, d.log)
	if err != nil {
		return err
	}
	defer closeAll(listeners)
	web, err := listenHTTP(cfg.HTTP)
	if err != nil {
		return err
	}
	if d.core, err = newCore(cfg, d.log, reg); err != nil {
		closeAll([]net.Listener{web})
		return err
	}

	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

	d.log.WithFields(logrus.Fields{
		"version": buildVersion(), "policy": cfg.Policy, "services": len(cfg.Services), "peers": len(cfg.Peers),
		"listen": strings.Join(addresses(listeners), " "), "http": address(web),
	}).Info("serving")
	d.warn(cfg)
	d.metrics.loaded()

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.core.Run(ctx, listeners) })
	g.Go(func() error { return d.reloads(ctx, hangup) })
	if web != nil {
		handler := api.New(api.Options{
			Network: d.core, Policies: d.core, Registry: optional[api.Registry](d.core), Hooks: optional[api.Hooks](d.core),
			Config: d.configView, Ready: d.ready,
			Version: buildVersion(), Gatherer: reg, Metrics: api.NewMetrics(reg),
		})
		g.Go(func() error { return serveHTTP(ctx, web, handler) })
	}
	err = g.Wait()
	d.log.Info("ended; the switches keep their flows")
	return err
}

// reloads applies the configuration anew at each hangup.
func (d *daemon) reloads(ctx context.Context, hangup <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
			if err := d.reload(); err != nil {
				d.metrics.failed()
				for _, line := range strings.Split(err.Error(), "\n") {
					d.log.WithField("error", line).Error("configuration rejected; the old one runs on")
				}
			}
		}
	}
}

func (d *daemon) reload() error {
	read, err := d.load()
	if err != nil {
		return err
	}
	next, kept := d.config.Load().Reload(read)
	if err := d.core.Apply(next); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	d.config.Store(next)
	setLevel(d.log, next.Log)
	d.metrics.loaded()
	d.warn(next)
	d.log.WithFields(logrus.Fields{"policy": next.Policy, "services": len(next.Services), "peers": len(next.Peers)}).
		Info("configuration reloaded")
	if kept != nil {
		d.log.WithField("keys", strings.Join(kept, ", ")).Warn("changed, but hold only after a restart")
	}
	return nil
}

// ready is nil: the API is not served before the switches are.
func (d *daemon) ready() error { return nil }

// warn says which parts of a configuration cannot do what they seem to be for.
func (d *daemon) warn(c *config.Config) {
	for _, s := range uselessBypass(c) {
		d.log.Warn(s)
	}
}

func uselessBypass(c *config.Config) (warnings []string) {
	bypassed := 0
	for _, s := range c.Services {
		if c.PolicyOf(s) != config.PolicyBypass {
			continue
		}
		if bypassed++; len(c.Peers) == 0 {
			warnings = append(warnings, fmt.Sprintf("policy bypass of service %s without peers: only those that register will serve", s.Name))
		}
	}
	switch {
	case bypassed > 0:
	case c.Policy == config.PolicyBypass && len(c.Services) == 0:
		warnings = append(warnings, "policy bypass without services: there is nothing to redirect")
	case c.Policy == config.PolicyBypass:
		warnings = append(warnings, "policy bypass, but every service has another of its own: there is nothing to redirect")
	}
	return warnings
}

// optional returns the core as what not every core is, or nil.
func optional[T any](c core) T {
	t, _ := c.(T)
	return t
}

// serveHTTP serves until ctx ends, then lets requests that run finish for a moment.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // who waits for a change need not wait any more
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			_ = srv.Close() // whoever is still reading is cut off
		}
	})
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("http: %w", err)
	}
	return nil
}
