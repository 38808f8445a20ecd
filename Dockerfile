# The program alone, in an image with nothing else: the controller by default, or any of its commands.
#
#     docker build -t ofctl-live --build-arg VERSION=$(git describe --tags --always) .
#     docker run --network host -v $PWD/configs:/etc/ofctl-live:ro ofctl-live --config /etc/ofctl-live/bypass.yaml
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /ofctl-live ./cmd/ofctl-live

FROM scratch
COPY --from=build /ofctl-live /ofctl-live
USER 65534:65534
# OpenFlow (two ports, since switches differ in which they try), the API and metrics, RTMP of the relay.
EXPOSE 6653 6633 9653 1935
STOPSIGNAL SIGTERM
ENTRYPOINT ["/ofctl-live"]
