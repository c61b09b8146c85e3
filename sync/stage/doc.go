// Package stage puts files on nodes before a run, through ssh and SFTP, brings results back, and takes away what it put
// there.
//
// It stands beside the pipeline: a node that shares no disk with the others gets distgo, a toolchain and a project by it,
// at the paths where they are here, so that a run finds them.
//
// Put lists what is here once, compares it with each node by kind, size, permissions and time of change, and sends what
// differs. Before that it leaves a journal of its intentions on the node; Clean goes by these. Looking, large files and the
// first distgo go over SFTP; that distgo then unpacks small files from a stream, and computes digests.
//
// Invariant 1: a file on a node is whole or as it was before: it is written under a name of its own, and renamed when its
// size is right.
// Invariant 2: when Put returns without an error, each file that was sent has been read again by its node and its digest
// is that of the file here.
// Invariant 3: Clean removes only what a journal names and what is still as the journal says; directories only if they are
// empty and were made by Put.
// Invariant 4: nothing that a node says leads Fetch out of the directory it was given.
//
// Put, Fetch and Clean work on all hosts at once and return when all are done; what goes wrong on one does not stop the
// others. They end on their context. They may be called side by side, but not two at a time for the same files.
//
// Errors: *[Error] names the host. The usage family is [remote.Error]'s; everything else is a node's or the network's.
package stage
