#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""usage: specs.py SPEC [SCHEMA]

Compares a netlink specification (YAML, genetlink or genetlink-c) with the code: the names
and values in its uapi header, and in kmod-*/ the attribute policies and operations.
Names are made as the kernel's tools/net/ynl does.  With SCHEMA, a file of the kernel's
Documentation/netlink, the specification is validated first."""

import glob
import os
import re
import subprocess
import sys
import tempfile

import yaml

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

# Which netlink policy types may stand for a type of the specification.
POLICY_TYPES = {
    "string": {"NLA_NUL_STRING", "NLA_STRING"}, "binary": {"NLA_BINARY"},
    "flag": {"NLA_FLAG"}, "nest": {"NLA_NESTED"},
    **{t: {f"NLA_{t.upper()}"} for t in
       ("u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "uint", "sint")},
}

problems = []


def complain(text):
    problems.append(text)


def c_upper(name):
    return name.upper().replace("-", "_")


class Spec:
    def __init__(self, path):
        with open(path) as f:
            self.yaml = yaml.safe_load(f)
        self.name = self.yaml["name"]
        self.values = {}        # C name -> value
        self.strings = {}       # C name -> string
        self.attributes = {}    # set name -> {attribute: (C name, attribute)}
        self._family()
        for definition in self.yaml.get("definitions", ()):
            self._definition(definition)
        for attribute_set in self.yaml["attribute-sets"]:
            self._attribute_set(attribute_set)
        self._operations()

    def _family(self):
        name = c_upper(self.yaml.get("c-family-name", f"{self.name}-family-name"))
        version = c_upper(self.yaml.get("c-version-name", f"{self.name}-family-version"))
        self.strings[name] = self.name
        self.values[version] = self.yaml.get("version", 1)
        for group in self.yaml.get("mcast-groups", {}).get("list", ()):
            name = group.get("c-define-name", f"{self.name}-mcgrp-{group['name']}")
            self.strings[c_upper(name)] = group["name"]

    def _definition(self, definition):
        name, kind = definition["name"], definition["type"]
        if kind == "const":
            self.values[c_upper(definition.get("c-define-name", f"{self.name}-{name}"))] = \
                definition["value"]
        elif kind in ("enum", "flags"):
            prefix = definition.get("name-prefix", f"{self.name}-{name}-")
            number = definition.get("value-start", 0)
            for entry in definition["entries"]:
                if isinstance(entry, str):
                    entry = {"name": entry}
                number = entry.get("value", number)
                self.values[c_upper(prefix + entry["name"])] = \
                    1 << number if kind == "flags" else number
                number += 1

    def _attribute_set(self, attribute_set):
        name = attribute_set["name"]
        prefix = attribute_set.get("name-prefix", f"{self.name}-a-")
        named = self.attributes[name] = {}
        number = 1
        for attribute in attribute_set["attributes"]:
            number = attribute.get("value", number)
            c_name = c_upper(prefix + attribute["name"])
            named[attribute["name"]] = (c_name, attribute)
            self.values[c_name] = number
            number += 1

    def _operations(self):
        operations = self.yaml["operations"]
        prefix = operations.get("name-prefix", f"{self.name}-cmd-")
        number = 1
        self.operations = {}
        for operation in operations["list"]:
            number = operation.get("value", number)
            c_name = c_upper(prefix + operation["name"])
            self.values[c_name] = number
            self.operations[c_name] = operation
            number += 1

    def check_references(self):
        """Whatever is referred to by name has to exist."""
        definitions = {d["name"] for d in self.yaml.get("definitions", ())}
        for set_name, named in self.attributes.items():
            for name, (_, attribute) in named.items():
                where = f"attribute {set_name}/{name}"
                if attribute.get("enum", next(iter(definitions), None)) not in definitions | {None}:
                    complain(f"{where}: no enum '{attribute['enum']}'")
                if attribute.get("nested-attributes", set_name) not in self.attributes:
                    complain(f"{where}: no attribute set '{attribute['nested-attributes']}'")
        for c_name, operation in self.operations.items():
            known = self.attributes.get(operation["attribute-set"], {})
            for part in self._parts(operation):
                for name in set(part.get("attributes", ())) - set(known):
                    complain(f"{c_name}: no attribute '{name}'")

    @staticmethod
    def _parts(operation, sides=("request", "reply")):
        for mode in ("do", "dump"):
            for side in sides:
                yield operation.get(mode, {}).get(side, {})
        if "reply" in sides:
            yield operation.get("event", {})

    def request_attributes(self):
        """C name -> attribute, of all that user space may send."""
        found = {}

        def add(set_name, names):
            for name in names:
                c_name, attribute = self.attributes[set_name][name]
                if c_name not in found and attribute["type"] != "pad":
                    found[c_name] = attribute
                    if "nested-attributes" in attribute:
                        nested = attribute["nested-attributes"]
                        add(nested, self.attributes[nested])

        for operation in self.operations.values():
            for part in self._parts(operation, ("request",)):
                add(operation["attribute-set"], part.get("attributes", ()))
        return found


# --- the header ---

def header_names(text):
    """Enumerators and constants that a user of the header sees."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    names = set()
    for body in re.findall(r"\benum\b[^{;]*\{(.*?)\}", text, re.S):
        names |= set(re.findall(r"(?:^|,)\s*([A-Z]\w*)", body))
    names |= set(re.findall(r"^#define\s+(\w+)[ \t]+\S", text, re.M))
    # ynl makes these by itself.
    maxima = {n for n in names if n.endswith("_MAX") and f"__{n}" in text}
    return {n for n in names - maxima if not n.endswith("_UNSPEC") and not n.startswith("_")}


def header_values(header, names):
    """Asks the compiler what the names stand for: {name: int or str}."""
    lines = [f'#include <{header}>', '#include <stdio.h>', "int main(void) {"]
    lines += [f'printf(_Generic((0, {n}), char *: "{n} s %s\\n", const char *: "{n} s %s\\n", '
              f'default: "{n} i %lld\\n"), _Generic((0, {n}), char *: {n}, const char *: {n}, '
              f'default: (long long)({n})));' for n in sorted(names)]
    lines += ["return 0; }"]
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(["gcc", "-w", f"-I{TOP}/include/uapi", "-x", "c", "-o", f"{d}/values", "-"],
                       input="\n".join(lines), text=True, check=True)
        out = subprocess.run([f"{d}/values"], stdout=subprocess.PIPE, text=True, check=True).stdout
    values = {}
    for line in out.splitlines():
        name, kind, value = line.split(" ", 2)
        values[name] = int(value) if kind == "i" else value
    return values


def check_header(spec):
    header = spec.yaml.get("uapi-header", f"linux/{spec.name}.h")
    path = f"{TOP}/include/uapi/{header}"
    with open(path) as f:
        names = header_names(f.read())
    wanted = {**spec.values, **spec.strings}
    for name in sorted(wanted.keys() - names):
        complain(f"{name}: in the specification, not in {header}")
    for name in sorted(names - wanted.keys()):
        complain(f"{name}: in {header}, not in the specification")
    for name, value in header_values(header, names & wanted.keys()).items():
        if value != wanted[name]:
            complain(f"{name}: {value} in {header}, {wanted[name]} in the specification")


# --- the module ---

def check_module(spec):
    text = ""
    for path in sorted(glob.glob(f"{TOP}/kmod-*/*.c")):
        with open(path) as f:
            content = f.read()
        folder = os.path.basename(os.path.dirname(path))
        if f"<{spec.yaml.get('uapi-header')}>" in content or folder == f"kmod-{spec.name}":
            text += content
    check_policy(spec, text)
    check_operations(spec, text)


def check_policy(spec, text):
    policy = {}
    for name, rule in re.findall(r"^\s*\[(\w+)\]\s*=\s*(.*?\bNLA_.*)$", text, re.M):
        rule = rule.replace("NLA_POLICY_NESTED", "NLA_NESTED")
        rule = rule.replace("NLA_POLICY_EXACT_LEN", "NLA_BINARY")
        policy[name] = re.search(r"\bNLA_(?!POLICY)\w+", rule)[0]
    requests = spec.request_attributes()
    for name in sorted(requests.keys() - policy.keys()):
        complain(f"{name}: part of a request, but no policy accepts it")
    for name in sorted((policy.keys() - requests.keys()) & spec.values.keys()):
        complain(f"{name}: accepted by a policy, but part of no request")
    for name in sorted(policy.keys() & requests.keys()):
        kind = requests[name]["type"]
        if policy[name] not in POLICY_TYPES.get(kind, ()):
            complain(f"{name}: {policy[name]} in the policy, {kind} in the specification")


def check_operations(spec, text):
    ops = {}
    for body in re.findall(r"\{([^{}]*\.cmd\s*=[^{}]*)\}", text):
        name = re.search(r"\.cmd\s*=\s*(\w+)", body)[1]
        ops[name] = ops.get(name, "") + body
    for name, operation in spec.operations.items():
        body = ops.get(name)
        if body is None:
            if "do" in operation or "dump" in operation:
                complain(f"{name}: no such operation in the module")
            continue
        for mode, handler in (("do", ".doit"), ("dump", ".dumpit")):
            if (mode in operation) != (handler in body):
                complain(f"{name}: {mode} is in {'the specification' if mode in operation else 'the module'} only")
        if ("admin-perm" in operation.get("flags", ())) != ("ADMIN_PERM" in body):
            complain(f"{name}: admin-perm is not the same in specification and module")
    for name in sorted(ops.keys() & spec.values.keys() - spec.operations.keys()):
        complain(f"{name}: not an operation of the specification")


def check_schema(spec, path):
    import jsonschema

    with open(path) as f:
        schema = yaml.safe_load(f)
    for error in jsonschema.Draft7Validator(schema).iter_errors(spec.yaml):
        complain(f"{'/'.join(map(str, error.absolute_path)) or 'specification'}: {error.message[:200]}")


def main():
    if len(sys.argv) not in (2, 3):
        print(__doc__.partition("\n")[0], file=sys.stderr)
        return 2
    spec = Spec(sys.argv[1])
    if len(sys.argv) == 3:
        check_schema(spec, sys.argv[2])
    spec.check_references()
    if not problems:
        check_header(spec)
        check_module(spec)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
