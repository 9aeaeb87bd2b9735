// Command etcd-load gives etcd what `load` gives Swarmlet's daemons: the same number of clients, each with a connection
// and one write of its own under way.
//
//	etcd-load writes ENDPOINT CLIENTS SECONDS BYTES
//	etcd-load failover PID ENDPOINT...
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/etcd/clientv3"
	"go.uber.org/zap"
)

func connect(endpoints ...string) *clientv3.Client {
	// What is tried again is no news here.
	log := zap.NewProductionConfig()
	log.Level = zap.NewAtomicLevelAt(zap.FatalLevel)
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: 5 * time.Second, LogConfig: &log})
	must(err)
	return client
}

func put(client *clientv3.Client, key, value string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := client.Put(ctx, key, value)
	return err
}

func writes(endpoint string, count int, seconds float64, bytes int) {
	value := strings.Repeat("v", bytes)
	clients := make([]*clientv3.Client, count)
	for i := range clients {
		clients[i] = connect(endpoint)
		must(put(clients[i], fmt.Sprintf("load-%d", i), value, 10*time.Second))
	}
	latencies := make([][]time.Duration, count)
	var done sync.WaitGroup
	start := time.Now()
	end := start.Add(time.Duration(seconds * float64(time.Second)))
	for i := range clients {
		done.Add(1)
		go func(i int) {
			defer done.Done()
			key := fmt.Sprintf("load-%d", i)
			for time.Now().Before(end) {
				sent := time.Now()
				must(put(clients[i], key, value, 30*time.Second))
				latencies[i] = append(latencies[i], time.Since(sent))
			}
		}(i)
	}
	done.Wait()
	elapsed := time.Since(start).Seconds()
	var all []time.Duration
	for _, each := range latencies {
		all = append(all, each...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	percentile := func(part float64) float64 {
		at := int(part * float64(len(all)))
		if at >= len(all) {
			at = len(all) - 1
		}
		return float64(all[at]) / 1e6
	}
	line, err := json.Marshal(map[string]interface{}{
		"writes": len(all), "per_second": float64(len(all)) / elapsed,
		"p50_ms": percentile(0.5), "p99_ms": percentile(0.99), "max_ms": percentile(1),
	})
	must(err)
	fmt.Println(string(line))
}

// failover measures from the end of a process to the first write that any of the others acknowledges. A write that went to
// the dead leader hangs for seconds in etcd, so every member is given a new one every 20 ms.
func failover(pid int, endpoints []string) {
	clients := make([]*clientv3.Client, len(endpoints))
	for i, endpoint := range endpoints {
		clients[i] = connect(endpoint)
		must(put(clients[i], "failover", "warm", 10*time.Second))
	}
	value := strings.Repeat("v", 100)
	acknowledged := make(chan time.Time, 1)
	must(syscall.Kill(pid, syscall.SIGKILL))
	start := time.Now()
	for {
		for i := range clients {
			go func(i int) {
				if put(clients[i], "failover", value, time.Second) == nil {
					select {
					case acknowledged <- time.Now():
					default:
					}
				}
			}(i)
		}
		select {
		case first := <-acknowledged:
			fmt.Println(float64(first.Sub(start)) / 1e6)
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func main() {
	words := os.Args[1:]
	switch {
	case len(words) == 5 && words[0] == "writes":
		count, err := strconv.Atoi(words[2])
		must(err)
		seconds, err := strconv.ParseFloat(words[3], 64)
		must(err)
		bytes, err := strconv.Atoi(words[4])
		must(err)
		writes(words[1], count, seconds, bytes)
	case len(words) >= 3 && words[0] == "failover":
		pid, err := strconv.Atoi(words[1])
		must(err)
		failover(pid, words[2:])
	default:
		fmt.Println("usage: etcd-load writes ENDPOINT CLIENTS SECONDS BYTES | etcd-load failover PID ENDPOINT...")
		os.Exit(2)
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd-load:", err)
		os.Exit(1)
	}
}
