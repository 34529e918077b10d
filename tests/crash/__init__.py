"""The real server process under strace: killed, or told that its disk fails, at one durable system call after another."""
