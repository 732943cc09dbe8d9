/**
 * Names that look-alikes pass themselves off as: MCP servers and tools in wide use, and the packages that are typed most.
 * A name on this list is taken for itself; one near it is refused (name-distance.ts).
 */
export const KNOWN_PACKAGES: readonly string[] = `
@a-bonus/google-docs-mcp @aashari/mcp-server-atlassian-bitbucket @aashari/mcp-server-atlassian-jira
@ag-ui/mcp-apps-middleware @agent-infra/mcp-server-filesystem @agentdeskai/browser-tools-mcp @ai-sdk/mcp
@amap/amap-maps-mcp-server @ansvar/mcp-sqlite @anthropic-ai/mcpb @antv/mcp-server-chart @apify/actors-mcp-server
@assistant-ui/mcp-docs-server @atlassian-dc-mcp/bitbucket @atlassian-dc-mcp/confluence @atlassian-dc-mcp/jira
@automattic/mcp-wordpress-remote @azure-devops/mcp @azure/mcp @backstage/plugin-mcp-actions-backend
@benborla29/mcp-server-mysql @brave/brave-search-mcp-server @brightdata/mcp @browserbasehq/mcp-server-browserbase
@browsermcp/mcp @browserstack/mcp-server @chakra-ui/react-mcp @chatmcp/sdk @circleci/mcp-server-circleci
@claude-flow/mcp @clerk/mcp-tools @cloudbase/cloudbase-mcp @cloudflare/mcp-server-cloudflare
@cloudflare/playwright-mcp @cocal/google-calendar-mcp @codacy/codacy-mcp @composio/mcp @currents/mcp
@cyanheads/git-mcp-server @drawio/mcp @dynatrace-oss/dynatrace-mcp-server @elementor/editor-mcp
@ergut/mcp-bigquery-server @eslint/mcp @executeautomation/playwright-mcp-server @expo/mcp-tunnel
@forestadmin/mcp-server @frontmcp/plugin-remember @genkit-ai/mcp @gleanwork/mcp-config-schema
@gongrzhe/server-gmail-autoauth-mcp @gongrzhe/server-travelplanner-mcp @google-cloud/cloud-run-mcp
@google-cloud/gcloud-mcp @google-cloud/observability-mcp @googlemaps/code-assist-mcp @heroku/mcp-server @hono/mcp
@hubspot/mcp-server @instantdb/mcp @ivotoby/openapi-mcp-server @kimuson/modular-mcp @kubb/mcp @kubb/plugin-mcp
@langchain/mcp-adapters @larksuiteoapi/lark-mcp @launchdarkly/mcp-server @line/line-bot-mcp-server
@mapbox/mcp-server @mastra/mcp @mastra/mcp-docs-server @mcp-b/global @mcp-b/react-webmcp @mcp-b/transports
@mcp-b/webmcp-polyfill @mcp-b/webmcp-ts-sdk @mcp-b/webmcp-types @mcp-ui/client @mcp-ui/server @mcp-use/cli
@mcp-use/inspector @metorial/mcp-sdk-utils @metorial/mcp-server-sdk @metorial/mcp-session @mintlify/mcp
@mizchi/lsmcp @mobilenext/mobile-mcp @modelcontextprotocol/client @modelcontextprotocol/conformance
@modelcontextprotocol/core @modelcontextprotocol/create-server @modelcontextprotocol/ext-apps
@modelcontextprotocol/inspector @modelcontextprotocol/inspector-cli @modelcontextprotocol/inspector-client
@modelcontextprotocol/inspector-server @modelcontextprotocol/sdk @modelcontextprotocol/server
@modelcontextprotocol/server-aws-kb-retrieval @modelcontextprotocol/server-basic-preact
@modelcontextprotocol/server-basic-react @modelcontextprotocol/server-basic-solid
@modelcontextprotocol/server-basic-svelte @modelcontextprotocol/server-basic-vanillajs
@modelcontextprotocol/server-basic-vue @modelcontextprotocol/server-brave-search
@modelcontextprotocol/server-budget-allocator @modelcontextprotocol/server-cohort-heatmap
@modelcontextprotocol/server-customer-segmentation @modelcontextprotocol/server-everart
@modelcontextprotocol/server-everything @modelcontextprotocol/server-filesystem @modelcontextprotocol/server-gdrive
@modelcontextprotocol/server-github @modelcontextprotocol/server-gitlab @modelcontextprotocol/server-google-maps
@modelcontextprotocol/server-map @modelcontextprotocol/server-memory @modelcontextprotocol/server-pdf
@modelcontextprotocol/server-postgres @modelcontextprotocol/server-puppeteer @modelcontextprotocol/server-redis
@modelcontextprotocol/server-scenario-modeler @modelcontextprotocol/server-sequential-thinking
@modelcontextprotocol/server-shadertoy @modelcontextprotocol/server-sheet-music @modelcontextprotocol/server-slack
@modelcontextprotocol/server-system-monitor @modelcontextprotocol/server-threejs
@modelcontextprotocol/server-transcript @modelcontextprotocol/server-video-resource
@modelcontextprotocol/server-wiki-explorer @mondaydotcomorg/atp-mcp-adapter @mondaydotcomorg/monday-api-mcp
@morphllm/morphmcp @mui/mcp @negokaz/excel-mcp-server @nestjs-mcp/server @netlify/mcp
@nexus2520/bitbucket-mcp-server @notionhq/notion-mcp-server @nuxtjs/mcp-toolkit @openai/codex-shell-tool-mcp
@openbnb/mcp-server-airbnb @orval/mcp @pandacss/mcp @payloadcms/plugin-mcp @perplexity-ai/mcp-server
@pinecone-database/mcp @piotr-agier/google-drive-mcp @playwright/mcp @postman/postman-mcp-server @primeng/mcp
@primeuix/mcp @railway/mcp-server @react-grab/mcp @redocly/mcp-typescript-sdk @rekog/mcp-nest @remotion/mcp
@roychri/mcp-server-asana @salesforce/mcp @salesforce/mcp-provider-api @salesforce/mcp-provider-aura-experts
@salesforce/mcp-provider-code-analyzer @salesforce/mcp-provider-devops @salesforce/mcp-provider-dx-core
@salesforce/mcp-provider-lwc-experts @salesforce/mcp-provider-metadata-enrichment
@salesforce/mcp-provider-mobile-web @salesforce/mcp-provider-scale-products @sentry/mcp-server @shopify/dev-mcp
@shortcut/mcp @softeria/ms-365-mcp-server @storybook/addon-mcp @storybook/mcp @stripe/mcp
@supabase/mcp-server-supabase @supabase/mcp-utils @sveltejs/mcp @sylphx/mcp-server-sdk @sylphx/pdf-reader-mcp
@testsprite/testsprite-mcp @theia/ai-mcp @tiberriver256/mcp-server-azure-devops @tmcp/adapter-valibot
@tmcp/session-manager @tmcp/transport-http @tmcp/transport-stdio @traceloop/instrumentation-mcp
@upstash/context7-mcp @vercel/mcp-adapter @voltagent/mcp-server @winor30/mcp-server-datadog @wong2/mcp-cli
@z_ai/mcp-server @zereight/mcp-gitlab @zuplo/mcp add-mcp agentation-mcp airtable-mcp-server argocd-mcp
backlog-mcp-server chrome-devtools-mcp exa-mcp-server expo-mcp fastify-mcp fastmcp fetcher-mcp figma-console-mcp
figma-developer-mcp firecrawl-fastmcp firecrawl-mcp gcp-mcp hono-mcp-server-sse-transport hostinger-api-mcp
ios-simulator-mcp kubernetes-mcp-server linear-mcp mcp mcp-atlassian mcp-client mcp-client-capabilities mcp-deepwiki
mcp-evals mcp-framework mcp-handler mcp-lite mcp-mermaid mcp-proxy mcp-remote mcp-searxng mcp-server-code-runner
mcp-server-kubernetes mcp-use mcpcosmosdb mcporter middy-mcp mongodb-mcp-server n8n-mcp n8n-nodes-mcp
next-devtools-mcp notebooklm-mcp nuxt-mcp nx-mcp openapi-mcp-generator reddit-mcp-buddy replicate-mcp
robloxstudio-mcp serper-search-scrape-mcp-server slack-mcp-server tavily-mcp tmcp use-mcp vite-plugin-mcp
workers-mcp xcodebuildmcp xmcp

@anthropic-ai/sdk @aws-sdk/client-s3 @azure/identity @babel/core @cloudflare/workers-types @elastic/elasticsearch
@google-cloud/storage @google/genai @grpc/grpc-js @hubspot/api-client @langchain/core @linear/sdk
@mistralai/mistralai @nestjs/core @notionhq/client @octokit/rest @openai/agents @opentelemetry/api
@pinecone-database/pinecone @playwright/test @prisma/client @sentry/node @slack/web-api @stripe/stripe-js
@supabase/supabase-js @tanstack/react-query @types/node @upstash/redis @vercel/sdk acorn ajv ansi-regex ansi-styles
argparse async axios better-sqlite3 bluebird body-parser bootstrap bunyan canvas chai chalk cheerio chokidar
classnames clsx colors commander compression cookie cors cron cross-env cross-spawn d3 date-fns dayjs debug
discord.js dotenv ejs electron esbuild eslint event-stream execa express fast-xml-parser fastify form-data fs-extra
glob got graphql gulp handlebars helmet highlight.js hono immer inquirer ioredis jest jimp jose js-yaml jsdom
jsonwebtoken jszip knex koa langchain lodash log4js lru-cache luxon markdown-it marked minimatch minimist mkdirp
mocha moment mongodb mongoose morgan multer mysql mysql2 nanoid next node-fetch nodemailer nodemon nunjucks octokit
openai ora passport pdf-lib pg pino playwright playwright-core postcss prettier prisma puppeteer puppeteer-core qs
ramda react react-dom redis redux request rimraf rollup rxjs semver sequelize sharp shelljs socket.io sqlite3
string-width stripe superagent supertest svelte tailwindcss telegraf three ts-node tslib twilio typeorm typescript
underscore undici uuid validator vite vitest vue webpack winston ws xlsx xml2js yaml yargs zod zustand
`
  .trim()
  .split(/\s+/);

/** Base names that many publishers share. */
export const GENERIC: ReadonlySet<string> = new Set([
  'mcp-server',
  'mcp-client',
  'mcp-adapter',
  'mcp-adapters',
  'mcp-tools',
  'mcp-utils',
  'mcp-proxy',
  'mcp-toolkit',
  'mcp-docs-server',
  'plugin-mcp',
  'react-mcp',
  'inspector',
  'transport-http',
  'transport-stdio',
]);
