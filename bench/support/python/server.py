"""The smallest stdio MCP server in Python: no dependency beyond the standard library, one tool."""

import json
import sys

TOOLS = [
    {
        "name": "echo",
        "description": "Gives back its text.",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    }
]
ANSWERS = {
    "initialize": lambda _: {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "tiny", "version": "1"},
    },
    "ping": lambda _: {},
    "tools/list": lambda _: {"tools": TOOLS},
    "tools/call": lambda params: {"content": [{"type": "text", "text": params["arguments"]["text"]}]},
}


def main():
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        answer = ANSWERS.get(message["method"])
        outcome = (
            {"result": answer(message.get("params", {}))}
            if answer
            else {"error": {"code": -32601, "message": "Method not found"}}
        )
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **outcome}), flush=True)


if __name__ == "__main__":
    main()
