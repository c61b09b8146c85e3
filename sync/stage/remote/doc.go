// Package remote opens ssh connections to the nodes of a world, as the user's OpenSSH is set up: the agent, the keys,
// known_hosts, and of ~/.ssh/config what concerns reaching a host.
//
// It serves package stage, which copies files, and package launch, which starts ranks.
//
// Invariant 1: no byte but the handshake goes to a host whose key is not in a known_hosts file; no key is ever added.
// Invariant 2: nothing here asks a question: a passphrase or a password that would have to be typed is an error that
// says so.
//
// A Dialer is safe for concurrent use. Dial ends on its context.
//
// Errors: *[Error] is of the usage family, its hint is the remedy. Everything else comes from the network.
package remote
