# What a cluster for tests needs beside the services, in one image: the cluster's own parts, a broker, cameras. Without a command
# it waits, as the first container of each pod does. The context has camera.py and the programs of build.sh.
ARG BASE
FROM ${BASE}
RUN printf 'path-exclude=%s\n' '/usr/lib/*/dri/*' '/usr/lib/*/libLLVM*' '/usr/lib/*/libgallium*' '/usr/lib/*/libz3*' \
        '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/locale/*' \
        >/etc/dpkg/dpkg.cfg.d/no-screen \
    && apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates mosquitto mosquitto-clients \
        python3 python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
        gstreamer1.0-plugins-ugly gstreamer1.0-libav \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY coredns metrics-server camera.py /usr/local/bin/
CMD ["sleep", "infinity"]
