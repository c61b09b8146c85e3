// Package remotetest provides ssh servers in this process for tests: each with a host key of its own, on a loopback port,
// letting in one key, serving SFTP, connections onward, and commands by a function of the test.
package remotetest
