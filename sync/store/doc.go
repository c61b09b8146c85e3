// Package store keeps what was made before: the content-addressed files, the
// action cache and the digests of source files of one node, across runs.
//
// Each rank opens its node's store. Once they have met, it sends those that have
// another store a Summary of the keys it holds. An action whose key is held is not
// executed: its outputs come out of a store, by Get here or over the exchange to a
// peer. After an action was executed its outputs are Put and then Committed.
//
// On disk, below the store's directory:
//
//	files/ab/<hex>   a file, named by its SHA-256; read-only
//	actions/         journals of the action cache: key → Entry
//	plans/, cflags/, compilers/, notes-N, history-…
//	                 are package rank's, which bounds them itself
//	sources/         journals of the file digest cache: path and stat → digest,
//	                 and of the files that were read and found undamaged
//	tmp/             files that have no name yet
//	id               what tells this store from others
//	pruned           when the files were last counted, and how much they were
//	lock             taken by who tidies, so that others need not
//
// A journal is a directory of append-only segments. A segment has one writer
// and ends in .open while that lives; whoever finds it dead renames it to .log.
// Of several records with one key the latest counts.
//
// Invariant 1: a file appears under its digest only when it is whole, and an
// entry only after its files: a killed run leaves nothing wrong behind.
// Invariant 2: what Get, Copy and Open give has the size and the digest that
// was asked for. What has not is removed and named, once. A file that was found
// to be right is not read again until the machine is started anew, while it is
// the same by inode, size and modification time; distgo cache verify reads it.
// Invariant 3: nothing is right only because a lock was held. Locks, where the
// file system has them, spare work; everything else is rename and link, as NFS
// has them. Of two runs that do the same, either may win.
// Invariant 4: what is lost (a segment, a record, a file, the directory) makes
// a run slower, never wrong.
// Invariant 5: what Get gave stays, whatever is pruned: it is a link or a copy
// of the caller's own.
// Invariant 6: a record is used only if its checksum holds; a damaged one costs
// itself, not those after it.
// Invariant 7: the digest of a source file is remembered only if the file was
// last changed well before it was read, so that a later change shows.
//
// Nothing is fsynced. What a crash of the machine leaves half-written under its
// final name is damage like any other, and found on use (Invariant 2).
//
// A Witness says whether files and directories are as they were, without
// reading them: what plans and programs depend on, looked at in milliseconds.
// A Parcel is an entry with its files on the way from one store to another.
//
// Invariant 8: a Witness that holds has seen every file as it was before the
// run began that used it; what was changed so shortly before that its times
// may not tell is compared by content.
//
// A Store may be used from any goroutine; several, in any number of processes
// and on any number of nodes, may share a directory.
//
// Errors: ErrAbsent says that a file is not here (any more), and is the caller's
// sign to make it. Full tells that the disk or a quota is; a build can go on
// without storing. *UsageError belongs to the usage family. The rest comes from
// the operating system. Damage is no error: it is told to Options.Damaged.
package store
