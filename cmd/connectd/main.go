// Command connectd streams databases and files into Kafka, and Kafka into databases and files:
// one program in place of Kafka Connect and Debezium. `connectd --help` says how to start it.
package main

import "os"

func main() { os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr)) }
