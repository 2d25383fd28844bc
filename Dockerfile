# Everything in one container: the API, a worker, and a Redis of their own.
#
#     docker build -t safe-python-execution .
#     docker run -p 8080:8080 safe-python-execution
#
# Started like this a container cannot make namespaces, so jobs are walled by what nsjail can do without: a root tree of their own,
# a uid of their own, limits and system call filters. For all of it, let it make namespaces:
#     docker run --security-opt seccomp=deploy/seccomp-worker.json --security-opt apparmor=unconfined -p 8080:8080 ...
# Jobs outlive the container with -v safepy-data:/var/lib/safepy/data.
#
# What is said about nsjail, the root tree and root itself in Dockerfile.worker is true here too.

ARG NSJAIL_IMAGE=ghcr.io/google/nsjail/nsjail:latest
FROM ${NSJAIL_IMAGE} AS nsjail

FROM golang:1.26-trixie AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN make build VERSION=$VERSION

FROM debian:trixie-slim
# What scripts can import beside the standard library. More with Debian's packages of it, which are loaded ahead as these are:
#     --build-arg PYTHON_PACKAGES="python3-sklearn python3-statsmodels"
ARG PYTHON_PACKAGES=""
COPY scripts/jail-root.sh /usr/local/sbin/jail-root
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        python3 python3-numpy python3-pandas python3-matplotlib python3-scipy python3-openpyxl python3-tabulate python3-lxml \
        python3-pil ${PYTHON_PACKAGES} \
        libprotobuf32t64 libnl-route-3-200 redis-server tini ca-certificates >/dev/null \
 && rm -rf /var/lib/apt/lists/* \
 && jail-root --link /var/lib/safepy/jailroot \
 && mkdir -m 700 /var/lib/safepy/data
COPY --from=nsjail /bin/nsjail /usr/local/bin/nsjail
# What it was taken from, for `worker probe` and GET /capabilities.
ARG NSJAIL_IMAGE
RUN printf '%s\n' "$NSJAIL_IMAGE" >/usr/local/bin/nsjail.image
RUN nsjail -Mo --help >/dev/null 2>&1 || { ldd /usr/local/bin/nsjail; exit 1; }
COPY --from=build /src/bin/standalone /usr/local/bin/standalone
# PORT, and not LISTEN_ADDR, which would win over the PORT that Cloud Run and others set: in a container to serve this machine alone
# is to serve nobody.
ENV JAIL=nsjail JAIL_ISOLATION=auto JAIL_CHROOT=/var/lib/safepy/jailroot DATA_DIR=/var/lib/safepy/data PORT=8080
ENV JAIL_PRELOAD="auto ${PYTHON_PACKAGES}"
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["standalone", "healthcheck"]
ENTRYPOINT ["/usr/bin/tini", "--", "standalone"]
