/**
 * The only script: the browser's own WebAuthn calls. The form says which (`data-ceremony`) and with what options; the
 * answer goes back as a field of that form. Without it, or where a browser is too old, the page says so.
 */
export const SCRIPT = `
const form = document.querySelector('form[data-ceremony]');
const button = form.querySelector('button');
const status = document.querySelector('.status');
const say = (text) => { status.textContent = text; };
const makes = form.dataset.ceremony === 'create';
const key = window.PublicKeyCredential;
if (key?.parseRequestOptionsFromJSON === undefined) say('This browser cannot use passkeys. Try a current one.');
else button.disabled = false;
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  button.disabled = true;
  say('');
  try {
    const options = JSON.parse(form.dataset.options);
    const credential = makes
      ? await navigator.credentials.create({ publicKey: key.parseCreationOptionsFromJSON(options) })
      : await navigator.credentials.get({ publicKey: key.parseRequestOptionsFromJSON(options) });
    form.elements.credential.value = JSON.stringify(credential);
    form.submit();
  } catch (error) {
    button.disabled = false;
    say(error.name === 'InvalidStateError' ? 'This device has a passkey for you already.'
      : error.name === 'SecurityError' ? 'Passkeys do not work at this address.'
      : 'No passkey was used. You can try again.');
  }
});
`;
