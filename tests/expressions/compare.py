"""Evaluates expressions as ansible-core does: a line of JSON for each line of the files that are named.

    compare.py VARIABLES FILE...

Each line is {"value": …, "text": …}, the second as the expression stands within other text, or {"error": …}.
"""
import json
import os
import sys

os.environ["TZ"] = "UTC"
import yaml
from ansible.template import Templar, trust_as_template


def plain(value):
    if isinstance(value, dict):
        return {plain(k) if isinstance(k, str) else str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    return str(value)


variables = yaml.safe_load(open(sys.argv[1], encoding="utf-8"))
templar = Templar(variables=variables)
for path in sys.argv[2:]:
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if not line or line.startswith("#"):
            continue
        try:
            value = plain(templar.template(trust_as_template("{{ " + line + " }}")))
            text = str(templar.template(trust_as_template("|{{ " + line + " }}|")))
            out = {"value": value, "text": text}
        except Exception as error:
            out = {"error": str(error)[:200]}
        print(json.dumps({"of": line, **out}))
