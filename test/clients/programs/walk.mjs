/** What every stock client has to get out of the example: list, call, read a resource, get a prompt; three upstreams. */
export async function walk(client) {
  const { tools } = await client.listTools();
  const { prompts } = await client.listPrompts();
  const { resources } = await client.listResources();
  const { resourceTemplates } = await client.listResourceTemplates();
  const text = async (name, args) => (await client.callTool({ name, arguments: args })).content[0].text;
  const uri = resources.find((resource) => resource.uri.startsWith('everything+')).uri;
  return {
    tools: tools.map(({ name }) => name),
    prompts: prompts.map(({ name }) => name),
    templates: resourceTemplates.map(({ uriTemplate }) => uriTemplate),
    file: await text('files__read_text_file', { path: '/data/public/hello.txt' }),
    echo: await text('everything__echo', { message: 'sandboxed' }),
    remote: await text('remote__echo', { message: 'over HTTP' }),
    prompt: (await client.getPrompt({ name: 'everything__simple-prompt' })).messages[0].content.text,
    resource: (await client.readResource({ uri })).contents[0],
    uri,
    denied: await client
      .callTool({ name: 'files__read_text_file', arguments: { path: '/data/secret/payroll.txt' } })
      .then(
        () => 'answered',
        (error) => error.message,
      ),
    unlisted: await client.callTool({ name: 'files__write_file', arguments: { path: '/data/x', content: 'x' } }).then(
      () => 'answered',
      (error) => error.message,
    ),
  };
}
