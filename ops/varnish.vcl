vcl 4.1;

# Varnish in front of Learngraph with PUBLIC_CATALOG, CDN_TAG_HEADER=xkey and CDN_PURGE_URL=http://127.0.0.1:6081/.
# It needs the xkey module (Debian: varnish-modules). An answer may have 16 KB of tags: start varnishd with
# -p http_resp_hdr_len=20k -p http_resp_size=64k -p workspace_backend=128k -p workspace_client=128k.
import std;
import xkey;

backend default {
    .host = "127.0.0.1";
    .port = "8080";
}

acl replicas {
    "localhost";
}

sub vcl_recv {
    if (req.method == "PURGE") {
        if (client.ip !~ replicas) {
            return (synth(403));
        }
        return (synth(200, "Purged " + xkey.purge(req.http.xkey)));
    }
}

sub vcl_backend_response {
    # Varnish knows Cache-Control alone. The lifetime of shared caches counts from the backend's answer, as Age does.
    if (beresp.http.CDN-Cache-Control ~ "max-age=[0-9]+") {
        set beresp.ttl = std.duration(regsub(beresp.http.CDN-Cache-Control, "^.*max-age=([0-9]+).*$", "\1s"), 0s)
            - std.duration(beresp.http.Age + "s", 0s);
    }
}

sub vcl_deliver {
    unset resp.http.xkey;
    unset resp.http.CDN-Cache-Control;
}
