# The experiment: stream delay, frame by frame, in Mininet. Included by the main
# Makefile, whose target build makes bin/ofctl-live.

LAB_PEER ?= nginx
LAB_OUT ?= results

.PHONY: lab demo lab-tools

# Six runs, about seven minutes: single with 1 and 4 viewers, multi with 4.
lab: lab-tools build
	go run ./test/lab run --set lab --peer $(LAB_PEER) --out $(LAB_OUT)

# The shortest pair, about two and a half minutes.
demo: lab-tools build
	go run ./test/lab run --set demo --peer $(LAB_PEER) --out $(LAB_OUT)

# Installs what is missing on Debian, with sudo if need be.
lab-tools:
	sh test/lab/install.sh
