import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { escapeToken } from './json-pointer.ts';
import type { SchemaDocument } from './schema-document.ts';
import type { PlainSchema, SchemaNode } from './schema-node.ts';

/** Reads the keywords that apply further schemas (JSON Schema Core 2020-12 §10 and §11) into node and plain schema. */
export function applicators(document: SchemaDocument, node: SchemaNode, schema: JsonObject, plain: PlainSchema): void {
  const reader = new Reader(document, node, schema, plain);
  node.conjuncts.push(...reader.list('allOf'));
  node.alternatives.push(...reader.list('anyOf'), ...reader.list('oneOf'));
  reader.one('not');
  readCondition(reader, node);
  readProperties(reader, node, schema);
  readDependencies(reader, node, schema, plain);
  readItems(reader, node, schema, plain);
  reader.one('contains');
  reader.one('propertyNames');
}

function readCondition(reader: Reader, node: SchemaNode): void {
  const test = reader.one('if');
  const then = reader.one('then');
  const otherwise = reader.one('else');
  if (test !== undefined) node.condition = { test, then, otherwise };
}

function readProperties(reader: Reader, node: SchemaNode, schema: JsonObject): void {
  for (const [name, child] of reader.map('properties')) {
    reader.document.checkName(name, `${node.pointer}/properties`);
    node.properties.set(name, child);
  }
  for (const [source, child] of reader.map('patternProperties')) {
    const pattern = reader.document.pattern(source, `${node.pointer}/patternProperties/${escapeToken(source)}`);
    node.patterns.push({ pattern, node: child });
    reader.document.hasPatternProperties = true;
  }
  node.declares = schema.properties !== undefined || schema.patternProperties !== undefined;
  const additional = reader.one('additionalProperties');
  if (additional !== undefined && !isLax(schema.additionalProperties)) node.additional = allowing(additional);
  // Beside declared properties, "anything else too" is the laxness that is taken away.
  else if (additional !== undefined && !node.declares) node.additional = 'open';
  const unevaluated = reader.one('unevaluatedProperties');
  if (unevaluated !== undefined && !isLax(schema.unevaluatedProperties)) node.unevaluated = allowing(unevaluated);
}

function readDependencies(reader: Reader, node: SchemaNode, schema: JsonObject, plain: PlainSchema): void {
  const schemas = new Map(reader.map('dependentSchemas'));
  const required = new Map(Object.entries(reader.object('dependentRequired')));
  // Up to draft-07 one keyword was both.
  for (const [name, value] of Object.entries(reader.object('dependencies'))) {
    const pointer = `${node.pointer}/dependencies/${escapeToken(name)}`;
    if (Array.isArray(value)) required.set(name, value);
    else schemas.set(name, reader.document.read(value, pointer));
  }
  for (const [name, value] of required) {
    for (const one of [name, ...(Array.isArray(value) ? value : [])])
      reader.document.checkName(String(one), node.pointer);
    if (!Array.isArray(value) || value.some((other) => typeof other !== 'string')) {
      reader.document.fail(`${node.pointer}/dependentRequired/${escapeToken(name)}`, 'must be an array of strings');
    }
  }
  for (const [name, child] of schemas) {
    reader.document.checkName(name, node.pointer);
    node.dependents.set(name, child);
  }
  const { dependentSchemas, dependentRequired, dependencies } = schema;
  if ((dependentSchemas ?? dependencies) !== undefined) {
    plain.dependentSchemas = Object.fromEntries([...schemas].map(([name, child]) => [name, child.plain]));
  }
  if ((dependentRequired ?? dependencies) !== undefined) plain.dependentRequired = Object.fromEntries(required);
}

function readItems(reader: Reader, node: SchemaNode, schema: JsonObject, plain: PlainSchema): void {
  // Up to 2019-09 a tuple was an array under `items`, and what followed it `additionalItems`.
  const tuple = Array.isArray(schema.items);
  node.prefix.push(...reader.list('prefixItems'), ...(tuple ? reader.list('items', 'prefixItems') : []));
  node.items = tuple ? reader.one('additionalItems', 'items') : reader.one('items');
  if (tuple && node.items === undefined) delete plain.items;
  const unevaluated = reader.one('unevaluatedItems');
  node.items ??= unevaluated;
}

/** `true` and `{}`: written out, but saying nothing. */
function isLax(schema: Json | undefined): boolean {
  return schema === true || (isObject(schema) && Object.keys(schema).length === 0);
}

function allowing(node: SchemaNode): SchemaNode | undefined {
  return node.plain === false ? undefined : node;
}

class Reader {
  readonly document: SchemaDocument;
  readonly #node: SchemaNode;
  readonly #schema: JsonObject;
  readonly #plain: PlainSchema;

  constructor(document: SchemaDocument, node: SchemaNode, schema: JsonObject, plain: PlainSchema) {
    this.document = document;
    this.#node = node;
    this.#schema = schema;
    this.#plain = plain;
  }

  one(keyword: string, as = keyword): SchemaNode | undefined {
    const value = this.#schema[keyword];
    if (value === undefined) return undefined;
    const child = this.document.read(value, `${this.#node.pointer}/${keyword}`);
    this.#plain[as] = child.plain;
    return child;
  }

  list(keyword: string, as = keyword): readonly SchemaNode[] {
    const value = this.#schema[keyword];
    if (value === undefined) return [];
    const pointer = `${this.#node.pointer}/${keyword}`;
    if (!Array.isArray(value)) return this.document.fail(pointer, 'must be an array of schemas');
    const children = value.map((schema, index) => this.document.read(schema, `${pointer}/${index}`));
    this.#plain[as] = children.map(({ plain }) => plain);
    return children;
  }

  map(keyword: string): readonly (readonly [string, SchemaNode])[] {
    if (this.#schema[keyword] === undefined) return [];
    const pointer = `${this.#node.pointer}/${keyword}`;
    const children = Object.entries(this.object(keyword)).map(
      ([name, schema]) => [name, this.document.read(schema, `${pointer}/${escapeToken(name)}`)] as const,
    );
    // fromEntries defines, where an assignment would set the prototype for a property of that name.
    this.#plain[keyword] = Object.fromEntries(children.map(([name, child]) => [name, child.plain]));
    return children;
  }

  object(keyword: string): JsonObject {
    const value = this.#schema[keyword] ?? {};
    return isObject(value) ? value : this.document.fail(`${this.#node.pointer}/${keyword}`, 'must be an object');
  }
}
