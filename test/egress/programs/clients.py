# Runs inside a sandbox: asks an API through each client that python has, none of which was told anything. By lines.
import json, sys, urllib.request
import httpx, requests

base = sys.argv[1]
clients = {
    "urllib": lambda url: json.load(urllib.request.urlopen(url)),
    "requests": lambda url: requests.get(url).json(),
    "httpx": lambda url: httpx.get(url).json(),
}
for name, ask in clients.items():
    print(name, ask(f"{base}/{name}")["path"], flush=True)
