// Unpacks the viewer and the data. The page's policy allows the style and the script by their hashes.
(async () => {
  const unpack = async id => {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), char => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };
  try {
    window.packedReport = await unpack('data');
    for (const [id, name] of Object.entries({ style: 'style', viewer: 'script' })) {
      const element = document.createElement(name);
      element.textContent = new TextDecoder().decode(await unpack(id));
      document.head.append(element);
    }
  } catch (error) {
    const message = document.createElement('p');
    message.className = 'message';
    message.textContent = `This report cannot be shown: ${error}. It takes a browser of 2023 or later.`;
    document.body.append(message);
  }
})();
